import * as Http from "node:http"

/** Opens streams of all runs and counts what they tell; `readers.ts <url> <count>`. Says how many are open, then what came. */
const [, , url, count] = process.argv

let bytes = 0
let frames = 0
let closed = 0

const open = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const request = Http.get(`${url}/api/stream`, { agent: false }, (response) => {
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length
        frames++
      })
      response.on("close", () => closed++)
      resolve(response.statusCode ?? 0)
    })
    request.on("error", reject)
  })

const statuses = await Promise.all(Array.from({ length: Number(count) }, open))
process.stdout.write(`${JSON.stringify({ open: statuses.filter((status) => status === 200).length })}\n`)
process.on("SIGTERM", () => {
  process.stdout.write(`${JSON.stringify({ bytes, frames, closed })}\n`, () => process.exit(0))
})
