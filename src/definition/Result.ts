import type * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { PortRef, ResultMode } from "./Graph.js"
import type { AnySchema } from "./Input.js"
import type { Output } from "./Output.js"
import type { AnyPort, Port } from "./Port.js"

/** Holds what a result is by type only. */
declare const ResultTypeId: unique symbol

/** A workflow output whose reading was chosen by hand: as a value, and as a port of the workflow as a node. */
export interface Result<out A, out O extends Output = Output> {
  readonly [ResultTypeId]: { readonly value: A; readonly port: O }
  readonly mode: ResultMode
  readonly ports: ReadonlyArray<AnyPort>
}

/** What can be named as a workflow output. */
export type Results = { readonly [name: string]: AnyPort | Result<unknown> }

/** What a result reads as: an array where several messages can come, an `Option` where none may come. */
export type ResultType<R> =
  R extends Result<infer A>
    ? A
    : R extends Port<infer A, unknown, infer Sure, infer Many>
      ? true extends Many
        ? ReadonlyArray<A>
        : false extends Sure
          ? Option.Option<A>
          : A
      : never

/** What a result is as a port of the workflow as a node. */
export type ResultPort<R> =
  R extends Result<unknown, infer O>
    ? O
    : R extends Port<infer A, infer I, infer Sure, infer Many>
      ? Output<true extends Many ? "many" : false extends Sure ? "optional" : "one", Schema.Schema<A, I>>
      : never

/** Makes a result; what it reads as, the caller's types say. */
export const makeResult = <A, O extends Output>(mode: ResultMode, ports: ReadonlyArray<AnyPort>): Result<A, O> =>
  ({ mode, ports }) as unknown as Result<A, O>

/** A result as data. */
export interface ReadResult {
  readonly mode: ResultMode
  readonly from: ReadonlyArray<PortRef>
  readonly schema: AnySchema
}

/** What a definition's result comes to; a bare port reads by what is known about it. */
export const toResult = (result: AnyPort | Result<unknown>): ReadResult => {
  if (!isResult(result)) return { mode: modeOf(result), from: [result.ref], schema: result.schema }
  return {
    mode: result.mode,
    from: result.ports.map((port) => port.ref),
    schema: Schema.Union(...new Set(result.ports.map((port) => port.schema)))
  }
}

/** Whether a workflow output was made by `firstOf` or `maybe`. */
export const isResult = (result: unknown): result is Result<unknown> =>
  Predicate.hasProperty(result, "ports") && Predicate.hasProperty(result, "mode")

const modeOf = (port: AnyPort): ResultMode => {
  if (port.many) return "array"
  return port.sure ? "value" : "option"
}
