import type * as Schema from "effect/Schema"
import type { AnySchema } from "./Input.js"

/** A question about a run that its handlers answer beforehand. */
export interface Query<S extends AnySchema = AnySchema> {
  readonly name: string
  readonly success: S
}

/** What a query gives. */
export type Success<Q extends Query> = Schema.Schema.Type<Q["success"]>

/**
 * Defines a query: a handler publishes the answer with `Step.publish`, `Engine.query` reads it from its row.
 *
 * **Details** No worker has to be alive for an answer, and none has to be asked.
 *
 * @example
 * const Progress = Query.make("progress", { success: Schema.Number })
 */
export const make = <S extends AnySchema>(name: string, options: { readonly success: S }): Query<S> => ({
  name,
  success: options.success
})
