import * as Http from "node:http"

/** One server-sent event. */
export interface SentEvent {
  readonly event: string
  readonly id: string | undefined
  readonly data: unknown
}

const parse = (block: string): SentEvent | undefined => {
  const fields = new Map(
    block.split("\n").flatMap((line) => {
      const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? []
      return name === undefined ? [] : [[name, value ?? ""] as const]
    })
  )
  const event = fields.get("event")
  return event === undefined
    ? undefined
    : { event, id: fields.get("id"), data: JSON.parse(fields.get("data") ?? "null") }
}

/** A stream that is being read. */
export interface Following {
  readonly response: Http.IncomingMessage
  /** All events until one fits, that one included; those of a stream that ends if none does. */
  readonly until: (fits: (event: SentEvent) => boolean) => Promise<ReadonlyArray<SentEvent>>
  readonly close: () => void
}

/** Opens a stream of server-sent events. */
export const follow = (port: number, path: string, headers: Http.OutgoingHttpHeaders = {}): Promise<Following> =>
  new Promise((resolve, reject) => {
    const request = Http.get({ host: "127.0.0.1", port, path, headers, agent: false }, (response) => {
      const seen: Array<SentEvent> = []
      let rest = ""
      let ended = false
      let look = (): void => undefined
      response.on("data", (chunk: Buffer) => {
        const blocks = (rest + chunk.toString("utf8")).split("\n\n")
        rest = blocks.pop() ?? ""
        for (const event of blocks.map(parse)) if (event !== undefined) seen.push(event)
        look()
      })
      const end = () => {
        ended = true
        look()
      }
      response.on("end", end).on("error", end)
      resolve({
        response,
        close: () => request.destroy(),
        until: (fits) =>
          new Promise((settle) => {
            look = () => {
              const place = seen.findIndex(fits)
              if (place >= 0) settle(seen.splice(0, place + 1))
              else if (ended) settle(seen.splice(0))
            }
            look()
          })
      })
    })
    request.on("error", reject)
  })
