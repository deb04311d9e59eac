import * as Schema from "effect/Schema"

/** Annotates a value of which nothing here says what of it is secret: where people look it is hidden. */
export const UntoldTypeId: unique symbol = Symbol.for("perdure/Failure/Untold")

/**
 * Why a firing, or a run, failed: data, as stored and as shown.
 *
 * **Details** `error` is the node's typed error in its encoded form and present only for kind `error`. `defect` is a bug
 * in a handler, `timeout` an attempt beyond its time, `invalidOutput` a result its schema refuses, `undecodable` an input
 * its schema refuses. As a part of another value, such as the error of a node whose child has failed, `error` is hidden from people: only
 * the definition it comes from knows what of it is secret.
 */
export const Failure = Schema.Struct({
  kind: Schema.Literal("error", "defect", "timeout", "invalidOutput", "undecodable"),
  message: Schema.String,
  nodeId: Schema.String,
  firing: Schema.Int,
  attempt: Schema.Int,
  error: Schema.optional(Schema.Unknown.annotations({ [UntoldTypeId]: true }))
})
export type Failure = typeof Failure.Type
export type FailureKind = Failure["kind"]

/** The stored form of a failure. */
export const FailureText = Schema.parseJson(Failure)
