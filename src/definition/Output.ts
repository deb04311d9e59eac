import type { OutputMode } from "./Graph.js"
import type { AnySchema } from "./Input.js"

/** A typed output of a node: what a firing puts on it, and how much. */
export interface Output<M extends OutputMode = OutputMode, S extends AnySchema = AnySchema> {
  readonly mode: M
  readonly schema: S
}

/** Outputs as a definition spells them: a bare schema is an output of mode `one`. */
export type OutputFields = { readonly [port: string]: AnySchema | Output }

/** Outputs as a node keeps them. */
export type Outputs<Fields> = {
  readonly [P in keyof Fields]: Fields[P] extends Output
    ? Fields[P]
    : Fields[P] extends AnySchema
      ? Output<"one", Fields[P]>
      : never
}

/**
 * An output that gets exactly one value from every firing.
 *
 * **Details** The same as the bare schema.
 *
 * @example
 * Node.make("ship", { inputs: { parcel: Parcel }, outputs: { label: Output.one(Label) } })
 */
export const one = <S extends AnySchema>(schema: S): Output<"one", S> => ({ mode: "one", schema })

/**
 * A route that may not be taken: the handler leaves the key out, or gives `undefined`, and what follows is skipped.
 *
 * @example
 * Node.make("route", {
 *   inputs: { order: Order },
 *   outputs: { small: Output.optional(Order), large: Output.optional(Order) }
 * })
 */
export const optional = <S extends AnySchema>(schema: S): Output<"optional", S> => ({ mode: "optional", schema })

/**
 * An output that gets any number of values from a firing; each becomes a message of its own.
 *
 * **Details** The handler gives an array, or a `Stream`: that is drained while the node runs, in durable batches, and waits
 * when its consumers are behind. An attempt that starts again gives the same elements again, from its last `Step.checkpoint` on;
 * those that are there already are compared, and another value parks the run (`NonDeterministicEmission`).
 *
 * A stream that nobody reads any more is ended: once every node that the port leads to has ended, the stream is interrupted, its
 * finalizers run, and the firing goes on as if it had come to its end. So it may be endless where its readers are not. What it would
 * still have given, a failure of it too, nobody sees. A node that fires for each message, and the workflow's output, read to the
 * end; the stream of a port that leads nowhere is drained to its end for its effects.
 *
 * @example
 * Node.make("split", { inputs: { order: Order }, outputs: { lines: Output.many(Line) } })
 */
export const many = <S extends AnySchema>(schema: S): Output<"many", S> => ({ mode: "many", schema })
