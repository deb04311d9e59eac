import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"

/** A sender of external events, by the name in its path, the key it signs them with, and where it may send. */
export interface WebhookKey {
  readonly name: string
  readonly key: Redacted.Redacted<Uint8Array>
  /** Only runs of this workflow; without it, those of all. */
  readonly workflow?: string
  /** Only this node of {@link workflow}; without it, all of its nodes. */
  readonly nodeId?: string
}

/** Shorter keys can be guessed. */
const leastBytes = 16

/** As Standard Webhooks writes a key: base64 behind this. */
const prefix = "whsec_"

/** The bytes of a key in base64 behind `whsec_`, or of the text itself; nothing where it is not the one way to write them. */
const bytesOf = (text: string): Uint8Array | undefined => {
  if (!text.startsWith(prefix)) return Buffer.from(text, "utf8")
  const base64 = text.slice(prefix.length)
  const bytes = Buffer.from(base64, "base64")
  return bytes.toString("base64") === base64 ? bytes : undefined
}

/** A name as a path has it. */
const named = (group: string) => `(?<${group}>[A-Za-z_][A-Za-z0-9_-]{0,99})`

const form = new RegExp(`^${named("name")}(@${named("workflow")}(/${named("nodeId")})?)?:(?<key>[\\u0021-\\u007e]+)$`)

/** A sender as a list of them has it: `name:key`, `name@workflow:key` or `name@workflow/node:key`. */
export const parseWebhookKey = (text: string): Either.Either<WebhookKey, string> => {
  const { key = "", name, nodeId, workflow } = form.exec(text.trim())?.groups ?? {}
  const bytes = bytesOf(key)
  if (name === undefined || bytes === undefined || bytes.length < leastBytes) {
    return Either.left(
      `expected senders like billing:key or billing@workflow/node:key, keys of ${leastBytes} bytes or more, in full base64 after ${prefix}, with commas between them`
    )
  }
  const scope = { ...(workflow === undefined ? {} : { workflow }), ...(nodeId === undefined ? {} : { nodeId }) }
  return Either.right({ name, key: Redacted.make(bytes), ...scope })
}
