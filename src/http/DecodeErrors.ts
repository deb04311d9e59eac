import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type { HttpApiDecodeError } from "@effect/platform/HttpApiError"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as Effect from "effect/Effect"
import { invalid } from "./Errors.js"
import { refuse } from "./Respond.js"

/** What paths and queries are refused with; bodies are read by hand. */
const toResponse = ({ issues }: HttpApiDecodeError) => {
  const [first] = issues
  return refuse(invalid(first?.path.map(String).join(".") ?? "path", first?.message ?? "does not fit"))
}

/** Names the field of a path or a query that could not be decoded. */
export const layer = HttpApiBuilder.middleware((app) => {
  // The type of an application hides the error that its endpoints decode with.
  const failing: HttpApp.Default<HttpApiDecodeError> = app
  return Effect.catchTag(failing, "HttpApiDecodeError", (error) => Effect.succeed(toResponse(error)))
})
