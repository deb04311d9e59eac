import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { GraphNode } from "../../../src/definition/Graph.js"
import type { AnyCompensation, AnyHandler, Handling } from "../../../src/definition/Handler.js"
import * as Node from "../../../src/definition/Node.js"
import { NodeContext } from "../../../src/definition/NodeContext.js"
import * as NodeOutcome from "../../../src/definition/NodeOutcome.js"
import { Registry } from "../../../src/definition/Registry.js"
import * as Step from "../../../src/definition/Step.js"
import * as Workflow from "../../../src/definition/Workflow.js"
import type { Json } from "../../../src/model/Json.js"
import { Ledger } from "../../../src/testing/Ledger.js"
import { undoEffect } from "../../../src/testing/Subject.js"
import type { Outside } from "../../../src/testing/TestWorker.js"
import type { Rule, RuleOutcome } from "../../runtime/graphsRule.js"
import { effect, enter } from "../corpus/kit.js"
import { retriesOf, ruleOf, type Trait, traitOf, type Whole } from "./cases.js"
import { type Defined, define, flakyError, Nudge, type Pace, Standing, troubleOf } from "./definitions.js"
import { canonical, workEffect, wrongEffect } from "./reference.js"

type Inputs = Readonly<Record<string, unknown>>
type Handles = Readonly<Record<string, Json>>
type Completed = Extract<RuleOutcome["result"], { readonly _tag: "Complete" }>

/** The workflow of children out of the middle of some work. */
const helperName = "helper"

const help = Node.make("help", { inputs: { of: Schema.String }, outputs: { of: Schema.String } })

const Helper = Workflow.make(helperName, { version: 1, input: { of: Schema.String } })
  .node("help", help, ({ input }) => ({ of: input.of }))
  .output(({ help }) => ({ of: help.of }))

/** Whose handlers these are. */
interface Site {
  readonly node: GraphNode
  readonly trait: Trait
  readonly does: Rule
  readonly pace: Pace
  /** Whether a failed run may be tried again: before pauses are over, and what was cut off as another attempt. */
  readonly again: boolean
}

/** Notes that something is not as it must be, for the reference to find. */
const wrong = (what: string): Effect.Effect<void, never, Ledger | NodeContext> => effect(`${wrongEffect}${what}`)

const Beat = Schema.Struct({ attempt: Schema.Number, at: Schema.Number, pause: Schema.Number })

/** Clocks of a database and of a process may differ by so much. */
const skewMs = 20

/** What the attempt before has said of itself is known, and its pause is over. */
const checkBeat = (site: Site): Effect.Effect<void, never, Ledger | NodeContext> =>
  Effect.gen(function* () {
    const { attempt } = yield* NodeContext
    const last = Option.getOrUndefined(yield* Step.lastHeartbeat(Beat))
    if (last === undefined) return attempt > 1 && failsOnlySo(site) ? yield* wrong("no heartbeat") : undefined
    const now = yield* Clock.currentTimeMillis
    // A process that was stopped may read what a later attempt has said elsewhere.
    if (last.attempt < attempt && now + skewMs < last.at + last.pause) yield* wrong("tried again too early")
  })

/** Whether an attempt fails by its trouble alone: neither by time, nor with its run, nor by the application's database. */
const failsOnlySo = ({ again, node, trait }: Site): boolean =>
  !again && !trait.enters && ["error", "defect"].includes(troubleOf(node, trait))

/** A sign of life: which attempt it is, and how long the pause after it is at least. */
const beat = (pause: number): Effect.Effect<void, never, NodeContext> =>
  Effect.gen(function* () {
    const { attempt } = yield* NodeContext
    yield* Step.heartbeat(Beat, { attempt, at: yield* Clock.currentTimeMillis, pause })
  })

/** An attempt that gives a sign of life, and fails. */
const trouble = ({ again, node, pace, trait }: Site): Effect.Effect<never, unknown, NodeContext> =>
  Effect.gen(function* () {
    const { attempt } = yield* NodeContext
    const kind = troubleOf(node, trait)
    const said = kind === "error" && trait.pauses === "typed" && !again ? flakyError(attempt).after : 0
    yield* beat(Duration.toMillis(pace.millis(said)))
    if (kind === "error") return yield* Effect.fail(flakyError(attempt))
    return yield* kind === "defect" ? Effect.dieMessage(`flaky ${attempt}`) : Effect.never
  })

class Busy extends Schema.TaggedError<Busy>()("Busy", {}) {}

/** Fails the first time anybody asks for it. */
const busyOnce = Effect.gen(function* () {
  const { idempotencyKey } = yield* NodeContext
  const fresh = yield* (yield* Ledger).record("busy", idempotencyKey)
  return fresh ? yield* new Busy() : "through"
})

/** Steps before the work: some effect, one that is tried again, and a sleep that is longer than a worker keeps a run. */
const steps = ({ pace }: Site): Effect.Effect<void, never, NodeContext | Ledger> =>
  Effect.gen(function* () {
    yield* Step.run("before", {}, effect("step"))
    const retry = { times: 3, schedule: Schedule.spaced(pace.millis(60)) }
    yield* Effect.orDie(Step.run("busy", { success: Schema.String, error: Busy, retry }, busyOnce))
    yield* Step.sleep("pause", pace.millis(600))
    yield* Step.run("after", { key: "1" }, Effect.void)
  })

const helped = ({ node }: Site): Effect.Effect<void, never, NodeContext | Ledger> =>
  Effect.flatMap(Effect.orDie(Step.child("help", Helper, { of: node.id })), ({ of }) =>
    of === node.id ? Effect.void : wrong(`the child is that of ${of}`)
  )

const nudged = ({ pace }: Site): Effect.Effect<void, never, NodeContext | Ledger> =>
  Effect.flatMap(Step.awaitSignal(Nudge, { timeout: pace.millis(900) }), (came) =>
    Option.isNone(came) || came.value.startsWith("signal") ? Effect.void : wrong(`the signal ${came.value}`)
  )

const specials = (site: Site): Effect.Effect<void, never, NodeContext | Outside> =>
  Effect.gen(function* () {
    const { trait } = site
    yield* checkBeat(site)
    if (trait.answers) yield* Step.publish(Standing, "begun")
    if (trait.steps) yield* steps(site)
    if (trait.helper) yield* helped(site)
    if (trait.signal) yield* nudged(site)
    if (trait.enters) yield* enter
  })

const Gathered = Schema.Record({ key: Schema.String, value: Schema.Array(Schema.Unknown) })

/** Pulls everything out of the streams among a handler's inputs, some durably, two by two. */
const gather = ({ node, trait }: Site, inputs: Inputs): Effect.Effect<Handles, never, NodeContext> =>
  Effect.gen(function* () {
    const durable = trait.streams
    let gathered: typeof Gathered.Type = durable
      ? Option.getOrElse(yield* Step.lastCheckpoint(Gathered), () => ({}))
      : {}
    const streams = node.inputs.flatMap(({ mode, name }) => (mode === "stream" ? [name] : []))
    for (const name of streams) {
      const elements = inputs[name] as Stream.Stream<unknown>
      gathered = yield* Stream.runFoldEffect(Stream.grouped(elements, 2), gathered, (before, group) => {
        const next = { ...before, [name]: [...(before[name] ?? []), ...Chunk.toArray(group)] }
        return durable ? Effect.as(Step.checkpoint(Gathered, next), next) : Effect.succeed(next)
      })
    }
    const none = Object.fromEntries(streams.map((name) => [name, []]))
    const all = Object.entries({ ...inputs, ...none, ...gathered })
    return Object.fromEntries(all.map(([name, got]) => [name, canonical(got) as Json]))
  })

/** Slow enough for several batches; an attempt that fails does so in the middle. */
const slowly = (site: Site, values: ReadonlyArray<Json>, fails: boolean): Stream.Stream<Json, unknown, NodeContext> => {
  const given = fails ? values.slice(0, Math.ceil(values.length / 2)) : values
  const elements = Stream.tap(Stream.fromIterable(given), () => Effect.sleep(site.pace.millis(7)))
  return fails ? Stream.concat(elements, Stream.fromEffect(trouble(site))) : elements
}

const outputsOf = (site: Site, { outputs }: Completed, streams: boolean, fails: boolean) =>
  Object.fromEntries(
    site.node.outputs.map(({ mode, name }) => {
      const values = outputs[name] ?? []
      if (mode !== "many") return [name, values[0]]
      return [name, streams ? slowly(site, values, fails) : values]
    })
  )

const stateOf = (event: unknown): number =>
  Option.match(event as Option.Option<{ readonly state: number }>, { onNone: () => 0, onSome: ({ state }) => state })

/** A handler that does what the rule says and what its trait says, and something outside when it ends well. */
const handlerOf = (site: Site) => (inputs: Inputs, event: unknown) =>
  Effect.gen(function* () {
    const { does, node, trait } = site
    const { attempt } = yield* NodeContext
    yield* specials(site)
    const handles = yield* gather(site, inputs)
    const got = node.kind === "trigger" ? { handles, event: event as Json } : { handles }
    const { flaky, result, suspends } = does(node.id, got)
    const waited = node.resumable ? stateOf(event) : 0
    if (waited < suspends) return NodeOutcome.suspend({ reason: `waited ${waited} times`, state: waited + 1 })
    const fails = attempt <= flaky
    const gives = trait.streams && result._tag === "Complete" && node.outputs.some(({ mode }) => mode === "many")
    if (fails && !gives) return yield* trouble(site)
    if (result._tag === "Die") return yield* Effect.zipRight(beat(0), Effect.dieMessage(result.message))
    if (result._tag === "Fail") return yield* Effect.fail(result.error)
    yield* effect(workEffect)
    if (trait.answers && !fails) yield* Step.publish(Standing, "done")
    return outputsOf(site, result, gives, fails)
  })

/** The handler in the workflow of a node: it does what the rule says of the node, and fails once where that is flaky. */
const workerHandler =
  ({ does, node }: Site) =>
  (inputs: Inputs) =>
    Effect.gen(function* () {
      const handles = Object.fromEntries(node.inputs.map(({ name }) => [name, canonical(inputs[name]) as Json]))
      const { flaky, result } = does(node.id, { handles })
      const asked = `${node.id} ${JSON.stringify(handles)}`
      if (flaky > 0 && (yield* (yield* Ledger).record("asked", asked))) return yield* Effect.fail(flakyError(1))
      if (result._tag === "Die") return yield* Effect.dieMessage(result.message)
      if (result._tag === "Fail") return yield* Effect.fail(result.error)
      yield* effect(workEffect)
      return Object.fromEntries(
        node.outputs.map(({ mode, name }) => [name, mode === "many" ? result.outputs[name] : result.outputs[name]?.[0]])
      )
    })

/** Undoes what a firing did; every third firing only at the second try. */
const undo = Effect.gen(function* () {
  const { firing, idempotencyKey } = yield* NodeContext
  const fresh = yield* (yield* Ledger).record("before undo", idempotencyKey)
  if (fresh && firing % 3 === 1) return yield* Effect.dieMessage("not yet")
  yield* effect(undoEffect)
})

/** Registers a workflow whose handlers do what its rule and its traits say, and the workflows of its children. */
export const registered = (
  whole: Whole,
  pace: Pace,
  { children, definition }: Defined = define(whole, pace)
): Layer.Layer<never, unknown, Registry | Outside> => {
  const does = ruleOf(whole)
  const all = Layer.scopedDiscard(
    Effect.gen(function* () {
      const registry = yield* Registry
      const outside = yield* Effect.context<Outside>()
      const within = <A, E>(work: Effect.Effect<A, E, NodeContext | Outside>) => Effect.provide(work, outside)
      const handlings = new Map<string, Handling>()
      for (const node of whole.graph.nodes) {
        const site = { node, trait: traitOf(whole, node.id), does, pace, again: retriesOf(whole) > 0 }
        const child = children.get(node.id)
        const run: AnyHandler = child?.run ?? ((inputs, event) => within(handlerOf(site)(inputs, event)))
        const compensate: AnyCompensation = () => within(undo)
        const undoes = node.compensates === true ? { compensate } : {}
        handlings.set(node.id, { environment: Context.empty(), run, ...undoes })
        if (child === undefined) continue
        const [worker] = child.workflow.graph.nodes
        const work: AnyHandler = (inputs) => within(workerHandler(site)(inputs))
        yield* registry.register(child.workflow, new Map([[worker!.id, { environment: Context.empty(), run: work }]]))
      }
      yield* registry.register(definition, handlings)
    })
  )
  const helping = Helper.layer.pipe(
    Layer.provide(help.toLayer(({ of }) => Effect.as(Effect.delay(effect("help"), pace.millis(40)), { of })))
  )
  return whole.traits.some(({ helper }) => helper) ? Layer.merge(all, helping) : all
}
