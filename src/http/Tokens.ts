import { createHash, timingSafeEqual } from "node:crypto"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { type Scope, scopes } from "./Access.js"

/** A token as the server keeps it: never itself, only its SHA-256. */
export interface Token {
  readonly name: string
  readonly scope: Scope
  readonly digest: Redacted.Redacted<Buffer>
}

const digestOf = (text: string): Buffer => createHash("sha256").update(text, "utf8").digest()

/** Keeps a token that somebody gave in the clear. */
export const tokenOf = (name: string, scope: Scope, secret: Redacted.Redacted): Token => ({
  name,
  scope,
  digest: Redacted.make(digestOf(Redacted.value(secret)))
})

/** A token as a list of them has it: `name:scope:sha256`, the last one in hexadecimal digits. */
export const parseToken = (text: string): Either.Either<Token, string> => {
  const [, name, scope, hex] = /^([A-Za-z0-9._-]{1,100}):([a-z]+):([0-9a-fA-F]{64})$/.exec(text.trim()) ?? []
  const known = scopes.find((one) => one === scope)
  return name === undefined || known === undefined || hex === undefined
    ? Either.left("expected tokens like ci:write:<SHA-256 in hexadecimal digits>, with commas between them")
    : Either.right({ name, scope: known, digest: Redacted.make(Buffer.from(hex, "hex")) })
}

/** How a token is written into the list. */
export const showToken = ({ digest, name, scope }: Token): string =>
  `${name}:${scope}:${Redacted.value(digest).toString("hex")}`

const bearer = /^Bearer +([\u0021-\u007e]+)$/i

/**
 * The token that a request bears, if it is one of ours.
 *
 * **Details** Digests are compared, each in constant time and all of them, so that time tells nothing of any.
 */
export const findToken = (tokens: ReadonlyArray<Token>, authorization: string | undefined): Token | undefined => {
  const [, secret] = bearer.exec(authorization ?? "") ?? []
  if (secret === undefined) return undefined
  const given = digestOf(secret)
  let found: Token | undefined
  for (const token of tokens) if (timingSafeEqual(given, Redacted.value(token.digest))) found = token
  return found
}
