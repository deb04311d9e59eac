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

/**
 * A handle that takes one message per firing as they come, whatever the order in which their producer's firings began.
 *
 * **When to use** Behind a node with `concurrency`, where a slow firing must not hold up what those after it have given.
 *
 * @example
 * Node.make("store", { inputs: { page: Input.unordered(Page) }, outputs: { stored: Schema.String } })
 */
export const unordered = <S extends AnySchema>(schema: S): Input<"unordered", S> => ({ mode: "unordered", schema })

/**
 * A handle with the newest message that has come: the node fires on every arrival at one of its `latest` handles, with the
 * newest of the others, as soon as each has one.
 *
 * **Details** Beside it a node may have `shared` handles, no others; a trigger can't have one. What came before each handle had
 * a message is passed over.
 *
 * @example
 * Node.make("price", { inputs: { amount: Input.latest(Amount), rate: Input.latest(Rate) }, outputs: { price: Price } })
 */
export const latest = <S extends AnySchema>(schema: S): Input<"latest", S> => ({ mode: "latest", schema })

/**
 * A handle that gives the handler everything that comes on it as a `Stream`, while its producers still run.
 *
 * **Details** The node fires once, as soon as something has come, and the stream ends when its producers have. Each producer's
 * messages keep their order; those of several are merged as they come. It is skipped if all producers of all its streams are; one
 * whose producers are skipped beside others is empty. It is read from the database in pages, so that memory stays flat.
 * `Step.checkpoint` says what was consumed: an attempt that starts again gets what comes after, and all of it without a
 * checkpoint. Nodes that stream run side by side, each in a slot of its worker, which it leaves to others while it waits for them.
 * A node with such a handle may have `shared` handles beside, no others; a trigger or a resumable node can't have one. What came on it is not given to the node's `compensate`.
 *
 * @example
 * Node.make("count", { inputs: { lines: Input.stream(Schema.String) }, outputs: { count: Schema.Number } })
 */
export const stream = <S extends AnySchema>(schema: S): Input<"stream", S> => ({ mode: "stream", schema })
