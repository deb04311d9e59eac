import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"

/** A sender of external events, by the name in its path, and the key it signs them with. */
export interface WebhookKey {
  readonly name: string
  readonly key: Redacted.Redacted
}

/** Shorter keys can be guessed. */
const leastCharacters = 16

/** A sender as a list of them has it: `name:key`. */
export const parseWebhookKey = (text: string): Either.Either<WebhookKey, string> => {
  const [, name, key] = /^([A-Za-z0-9._-]{1,100}):([\u0021-\u007e]+)$/.exec(text.trim()) ?? []
  return name === undefined || key === undefined || key.length < leastCharacters
    ? Either.left(
        `expected senders like billing:key, of ${leastCharacters} characters or more, with commas between them`
      )
    : Either.right({ name, key: Redacted.make(key) })
}
