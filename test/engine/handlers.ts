import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { NodeContext } from "../../src/definition/NodeContext.js"
import * as NodeOutcome from "../../src/definition/NodeOutcome.js"
import {
  Again,
  Approval,
  Approved,
  Caught,
  Chain,
  Charge,
  Charged,
  type Declined,
  Echo,
  Fan,
  First,
  Flaky,
  FlakyCharge,
  Hasty,
  Hurried,
  Notify,
  Pair,
  Poll,
  Polled,
  Quick,
  QuickCharge,
  Scale,
  Second,
  Split,
  Sum,
  Values,
  Zip,
  Zipped
} from "./fixtures.js"

/** What a handler may do besides its work; it is told the attempt. */
export type Hook = (context: typeof NodeContext.Service) => Effect.Effect<unknown>

const nothing: Hook = () => Effect.void

const then = <A>(hook: Hook, result: () => A): Effect.Effect<A, never, NodeContext> =>
  Effect.map(Effect.flatMap(NodeContext, hook), result)

/** A gate in a handler: the test sees that somebody stands before it, and opens it. */
export interface Gate {
  readonly hook: Hook
  /** Ends when a firing has arrived. */
  readonly arrived: Effect.Effect<typeof NodeContext.Service>
  readonly open: Effect.Effect<void>
}

export const makeGate: Effect.Effect<Gate> = Effect.gen(function* () {
  const arrived = yield* Deferred.make<typeof NodeContext.Service>()
  const opened = yield* Deferred.make<void>()
  return {
    hook: (context) => Effect.zipRight(Deferred.succeed(arrived, context), Deferred.await(opened)),
    arrived: Deferred.await(arrived),
    open: Effect.asVoid(Deferred.succeed(opened, undefined))
  }
})

/** n → (n + 1) · 2. */
export const chain = (first: Hook = nothing, second: Hook = nothing) =>
  Chain.layer.pipe(
    Layer.provide([
      First.toLayer((inputs) => then(first, () => ({ out: inputs.in + 1 }))),
      Second.toLayer((inputs) => then(second, () => ({ out: inputs.in * 2 })))
    ])
  )

/** n → n + 1, approved or not, · 2. */
export const approved = (second: Hook = nothing, first: Hook = nothing, approval: Hook = nothing) =>
  Approved.layer.pipe(
    Layer.provide([
      First.toLayer((inputs) => then(first, () => ({ out: inputs.in + 1 }))),
      Approval.toLayer((inputs, payload) =>
        then(approval, (): { yes?: number; no?: number } => (payload.approved ? { yes: inputs.in } : { no: inputs.in }))
      ),
      Second.toLayer((inputs) => then(second, () => ({ out: inputs.in * 2 })))
    ])
  )

/** Asks until it has been answered `n` times, and gives the answers with what its state said. */
export const polled = (hook: Hook = nothing) =>
  Polled.layer.pipe(
    Layer.provide(
      Poll.toLayer((inputs, resume) =>
        then(hook, () => {
          const asked = Option.match(resume, { onNone: () => 0, onSome: ({ state }) => state.asked })
          if (asked < inputs.in)
            return NodeOutcome.suspend({ reason: `question ${asked + 1}`, state: { asked: asked + 1 } })
          const last = Option.match(resume, { onNone: () => "nothing", onSome: ({ input }) => input })
          return { out: `${last} after ${asked}` }
        })
      )
    )
  )

type ChargeWork = (n: number, context: typeof NodeContext.Service) => Effect.Effect<{ out: number }, Declined>

const charge = (work: ChargeWork) =>
  Charge.toLayer((inputs) => Effect.flatMap(NodeContext, (context) => work(inputs.in, context)))

export const charged = (work: ChargeWork) => Charged.layer.pipe(Layer.provide(charge(work)))

export const flakyCharge = (work: ChargeWork) =>
  FlakyCharge.layer.pipe(
    Layer.provide(Flaky.toLayer((inputs) => Effect.flatMap(NodeContext, (context) => work(inputs.in, context))))
  )

export const quickCharge = (work: ChargeWork) =>
  QuickCharge.layer.pipe(
    Layer.provide(Quick.toLayer((inputs) => Effect.flatMap(NodeContext, (context) => work(inputs.in, context))))
  )

export const hurried = (hook: Hook) =>
  Hurried.layer.pipe(Layer.provide(Hasty.toLayer((inputs) => then(hook, () => ({ out: inputs.in })))))

export const caught = (work: ChargeWork) =>
  Caught.layer.pipe(
    Layer.provide([charge(work), Notify.toLayer(({ problem }) => Effect.succeed({ out: -problem.code }))])
  )

/** n parts 1 … n, each · by, their sum. */
export const fan = (scale: Hook = nothing, sum: Hook = nothing) =>
  Fan.layer.pipe(
    Layer.provide([
      Split.toLayer(({ n }) => Effect.succeed({ parts: Array.from({ length: n }, (_, index) => index + 1) })),
      Scale.toLayer(({ by, part }) => then(scale, () => ({ out: part * by }))),
      Sum.toLayer(({ parts }) => then(sum, () => ({ total: parts.reduce((a, b) => a + b, 0) })))
    ])
  )

/** Whatever goes in comes out. */
export const values = (make: (value: unknown) => unknown = (value) => value) =>
  Values.layer.pipe(
    Layer.provide([
      Echo.toLayer(({ value }) => Effect.sync(() => ({ value: make(value) }))),
      Again.toLayer(({ value }) => Effect.succeed({ value }))
    ])
  )

/** 1 … n beside 10 … 10 · (n − 1), added. */
export const zipped = () =>
  Zipped.layer.pipe(
    Layer.provide([
      Pair.toLayer(({ n }) => {
        const long = Array.from({ length: n }, (_, index) => index + 1)
        return Effect.succeed({ long, short: long.slice(1).map((_, index) => (index + 1) * 10) })
      }),
      Zip.toLayer(({ long, short }) => Effect.succeed({ sum: long + short }))
    ])
  )
