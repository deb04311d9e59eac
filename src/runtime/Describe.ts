import { toColumnText } from "../model/Json.js"
import { Limits } from "../model/Limits.js"

/** A failure's message, fit for a column. */
export const describe = (error: unknown): string => toColumnText(messageOf(error)).slice(0, Limits.reasonCharacters)

const messageOf = (error: unknown): string => {
  try {
    const tag = typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : undefined
    if (!(error instanceof Error) || error.message === "") return tag ?? String(error)
    // Schema's errors without words of their own show their fields, and not which error it is.
    return tag !== undefined && error.message.startsWith("{") ? `${tag} ${error.message}` : String(error.message)
  } catch {
    // What was thrown may be anything: an object without a prototype, a getter that throws.
    return "a value that can't be shown as text"
  }
}
