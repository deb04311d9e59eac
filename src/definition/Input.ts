import type * as Schema from "effect/Schema"
import type { InputMode } from "./Graph.js"

/** A schema that needs nothing from outside to encode and decode. */
export type AnySchema = Schema.Schema.AnyNoContext

/** A typed input handle of a node: what it takes, and how. */
export interface Input<M extends InputMode = InputMode, S extends AnySchema = AnySchema> {
  readonly mode: M
  readonly schema: S
}

/** Handles as a definition spells them: a bare schema is a handle of mode `one`. */
export type InputFields = { readonly [handle: string]: AnySchema | Input }

/** Handles as a node keeps them. */
export type Inputs<Fields> = {
  readonly [H in keyof Fields]: Fields[H] extends Input
    ? Fields[H]
    : Fields[H] extends AnySchema
      ? Input<"one", Fields[H]>
      : never
}

/**
 * A handle that takes one message per firing, aligned by position with the other `one` handles.
 *
 * **Details** The same as the bare schema.
 *
 * @example
 * Node.make("ship", { inputs: { parcel: Input.one(Parcel) }, outputs: { label: Label } })
 */
export const one = <S extends AnySchema>(schema: S): Input<"one", S> => ({ mode: "one", schema })

/**
 * A handle that takes one value and gives it to every firing.
 *
 * **Details** Only a port with at most one message can be wired to it.
 *
 * @example
 * Node.make("convert", { inputs: { amount: Amount, rate: Input.shared(Rate) }, outputs: { converted: Amount } })
 */
export const shared = <S extends AnySchema>(schema: S): Input<"shared", S> => ({ mode: "shared", schema })

/**
 * A handle that waits for the end of its producers and takes everything they put on it, as an array in position order.
 *
 * **Details** The handler gets `[]` when nothing came.
 *
 * @example
 * Node.make("sum", { inputs: { amounts: Input.all(Amount) }, outputs: { total: Amount } })
 */
export const all = <S extends AnySchema>(schema: S): Input<"all", S> => ({ mode: "all", schema })
