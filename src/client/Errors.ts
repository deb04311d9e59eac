import * as Schema from "effect/Schema"

/** The server could not be reached, or did not answer in full; whether it did what it was asked is not known. */
export class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", { reason: Schema.String }) {
  override get message(): string {
    return `the server can't be reached: ${this.reason}`
  }
}

/** The server wants a token, or one of another scope; or it does not serve requests sent under this name or from this page. */
export class AccessDenied extends Schema.TaggedError<AccessDenied>()("AccessDenied", { reason: Schema.String }) {
  override get message(): string {
    return this.reason
  }
}

/** The server asks for patience: too many requests, or as many streams as it serves. */
export class Overloaded extends Schema.TaggedError<Overloaded>()("Overloaded", { reason: Schema.String }) {
  override get message(): string {
    return this.reason
  }
}

/** Something is wrong on the server's side; `id` finds the details in its log. Doing the same again is safe. */
export class ServerTrouble extends Schema.TaggedError<ServerTrouble>()("ServerTrouble", {
  id: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.reason} (${this.id})`
  }
}

/** The server answered in a form this client does not know: one of them is of another version. */
export class UnexpectedAnswer extends Schema.TaggedError<UnexpectedAnswer>()("UnexpectedAnswer", {
  reason: Schema.String
}) {
  override get message(): string {
    return `the server's answer can't be read: ${this.reason}`
  }
}

/** What any call may fail with. */
export type ClientTrouble = Unreachable | AccessDenied | Overloaded | ServerTrouble | UnexpectedAnswer
