import * as Schema from "effect/Schema"
import * as Node from "../../src/definition/Node.js"
import * as Workflow from "../../src/definition/Workflow.js"

/** What a run's middle step does to its process. */
export const Kind = Schema.Literal("ok", "exit", "loop", "memory", "throw", "block")
export type Kind = typeof Kind.Type

/** `ms`: how long each step takes, or how long `block` keeps the event loop. */
export const Order = Schema.Struct({ kind: Kind, ms: Schema.Number })
export type Order = typeof Order.Type

const ports = { inputs: { order: Order }, outputs: { order: Order } } as const

export const First = Node.make("first", ports)
export const Act = Node.make("act", ports)
export const Last = Node.make("last", ports)

/** Three steps, the middle of which may be poison. */
export const task = (version: number) =>
  Workflow.make("task", { version, input: { order: Order } })
    .node("first", First, ({ input }) => ({ order: input.order }))
    .node("act", Act, ({ first }) => ({ order: first.order }))
    .node("last", Last, ({ act }) => ({ order: act.order }))
    .output(({ last }) => ({ order: last.order }))

export const Task = task(1)

/** A step in the ledger that all processes append to. */
export const Entry = Schema.Struct({
  worker: Schema.String,
  pid: Schema.Number,
  at: Schema.Number,
  key: Schema.String,
  attempt: Schema.Number,
  crashes: Schema.Number,
  /** Firings at work in the process, this one included. */
  beside: Schema.Number,
  phase: Schema.Literal("begin", "end", "interrupted")
})
export type Entry = typeof Entry.Type
