import type * as Redacted from "effect/Redacted"

/** Where a server is, and what opens it. */
export interface ClientOptions {
  /** As `http://127.0.0.1:4400`; in a page that the server itself serves, its origin. */
  readonly url: string
  readonly token?: Redacted.Redacted
}
