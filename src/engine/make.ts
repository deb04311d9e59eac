import type { SqlClient } from "@effect/sql/SqlClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Query } from "../definition/Query.js"
import type { Payload, Signal } from "../definition/Signal.js"
import { listedSignal } from "../definition/SignalCheck.js"
import type * as Workflow from "../definition/Workflow.js"
import type { EncodedStart, Engine, Resumption, RunDetail, StartOptions } from "../Engine.js"
import { AwaitInTransaction, NodeNotFound, RunEnded, RunNotFound, SignalNotFound } from "../model/Errors.js"
import type { EncodedValue } from "../model/Firing.js"
import type { RunId } from "../model/Ids.js"
import type { TriggerDelivery } from "../model/Run.js"
import { isEnded } from "../model/Status.js"
import { AuditTrail } from "../runtime/AuditTrail.js"
import { Awaiters } from "../runtime/Awaiters.js"
import { DatabaseClock } from "../runtime/DatabaseClock.js"
import { Definitions } from "../runtime/Definitions.js"
import { explainRun } from "../runtime/Explain.js"
import { Facade } from "../runtime/Facade.js"
import { Identity } from "../runtime/Identity.js"
import { type Asked, Intake } from "../runtime/Intake.js"
import { nodeViews } from "../runtime/NodeView.js"
import { RunReader } from "../runtime/RunReader.js"
import { RunSupervisor } from "../runtime/RunSupervisor.js"
import { Vitality } from "../runtime/Vitality.js"
import { Waker } from "../runtime/Waker.js"
import { AuditLog } from "../store/AuditLog.js"
import { ReadTransactor } from "../store/ReadTransactor.js"
import { type RunFilter, StateStore } from "../store/StateStore.js"
import { StepStore } from "../store/StepStore.js"
import { Transaction, Transactor } from "../store/Transactor.js"
import { TriggerStore } from "../store/TriggerStore.js"
import { makeBegin } from "./Begin.js"
import { Joined, joinTransaction } from "./Joined.js"
import { pointOf } from "./Points.js"
import { refusalOf } from "./Refusals.js"
import { encodeInput, encodePayload, fromJson, fromType, inputIdFrom, runIdFrom, signalTo } from "./Requests.js"
import { answerOf, childResultOf, resultOf } from "./Results.js"

/** Firings per node that a run's detail shows the summary of. */
const shownFirings = 100

/** Firings that have not ended, as a call shows them. */
const shownPoints = 1_000

/** Events a call gives unless it asks for fewer or more. */
const shownEvents = 500

/** Questions of people are given up when they take longer. */
const bounds = { statementTimeout: Duration.seconds(5) }

/** Builds the facade over a running worker. */
export const make = Effect.gen(function* () {
  const reads = yield* makeReads
  const writes = yield* makeWrites(reads)
  const engine: EngineShape = { ...reads.calls, ...writes }
  return engine
})

type EngineShape = (typeof Engine)["Service"]

const makeReads = Effect.gen(function* () {
  const reads = (yield* ReadTransactor) ?? (yield* Transactor)
  const triggers = yield* TriggerStore
  const states = yield* StateStore
  const reader = yield* RunReader
  const audit = yield* AuditLog
  const trail = yield* AuditTrail
  const definitions = yield* Definitions
  const steps = yield* StepStore
  const awaiters = yield* Awaiters
  const supervisor = yield* RunSupervisor
  const identity = yield* Identity
  const clock = yield* DatabaseClock

  const row = (runId: RunId) =>
    Effect.flatMap(reader.find(runId), (run) =>
      run === undefined ? Effect.fail(new RunNotFound({ runId })) : Effect.succeed(run)
    )

  /** Fails where no run is of this name: over the connections for questions, as what is asked of it. */
  const there = (runId: RunId) =>
    Effect.flatMap(reads.read("find", triggers.addressee(runId)), (found) =>
      found === undefined ? Effect.fail(new RunNotFound({ runId })) : Effect.succeed(found)
    )

  const get = (id: string) =>
    Effect.gen(function* () {
      const runId = yield* runIdFrom(id)
      const [run, firings] = yield* reads.transact(
        "detail",
        Effect.all([states.get(runId), states.firings(runId, shownFirings)]),
        bounds
      )
      if (run === undefined) return yield* new RunNotFound({ runId })
      const registered = definitions.find(run.workflow, run.workflowVersion)
      return { ...run, nodes: nodeViews(registered?.plan, firings) } satisfies RunDetail
    })

  const awaitEnd = (id: string) =>
    Effect.gen(function* () {
      const runId = yield* runIdFrom(id)
      if ((yield* Joined) !== undefined) return yield* new AwaitInTransaction({ runId })
      const first = Effect.map(row(runId), (run) => (isEnded(run.status) ? Option.some(run) : Option.none()))
      return yield* Effect.suspend(() => awaiters.wait(runId, supervisor.has(runId) ? undefined : first))
    })

  const resumability = (id: string) =>
    Effect.gen(function* () {
      const runId = yield* runIdFrom(id)
      const [answer, open] = yield* reads.transact(
        "resumability",
        Effect.all([states.resumability(runId), states.openFirings(runId, shownPoints)])
      )
      if (answer === undefined) return yield* new RunNotFound({ runId })
      return { ...answer, points: open.map((firing) => pointOf(firing, answer.leaseAlive)) } satisfies Resumption
    })

  const vitality = yield* Vitality

  const explain = (id: string) =>
    Effect.gen(function* () {
      const runId = yield* runIdFrom(id)
      const [standing, open] = yield* reads.transact(
        "explain",
        Effect.all([states.standing(runId), states.openFirings(runId, shownPoints)]),
        bounds
      )
      if (standing === undefined) return yield* new RunNotFound({ runId })
      const me = yield* identity.current
      const here = {
        serves: definitions.find(standing.workflow, standing.workflowVersion) !== undefined,
        hasRoom: supervisor.room() > 0,
        isHolder: standing.leasedBy === me,
        inMemory: supervisor.has(runId),
        isVital: vitality.isVital(),
        isAlone: supervisor.slots.isAlone
      }
      return explainRun(standing, open, here, yield* clock.now)
    })

  const queryEncoded = (id: string, nodeId: string, query: string, workflow?: string) =>
    Effect.gen(function* () {
      const runId = yield* runIdFrom(id)
      const found = yield* there(runId)
      if (found.workflow !== (workflow ?? found.workflow)) return yield* new RunNotFound({ runId })
      return Option.fromNullable(yield* reads.read("query", steps.published(runId, nodeId, query)))
    })

  const calls = {
    get,
    explain,
    awaitEnd,
    resumability,
    queryEncoded,
    query: <Q extends Query>(workflow: Workflow.Any, id: string, nodeId: string, query: Q) =>
      Effect.flatMap(queryEncoded(id, nodeId, query.name, workflow.name), (text) => answerOf(workflow, query, text)),
    await: <W extends Workflow.Any>(workflow: W, id: string) =>
      Effect.flatMap(awaitEnd(id), (run) => resultOf(workflow, run)),
    list: (filter: RunFilter) => reads.transact("list", states.list(filter), bounds),
    events: (
      id: string,
      options: { readonly nodeId?: string; readonly after?: string; readonly limit?: number } = {}
    ) =>
      Effect.gen(function* () {
        const runId = yield* runIdFrom(id)
        yield* there(runId)
        yield* trail.settled
        return yield* audit.read(runId, { ...options, limit: options.limit ?? shownEvents })
      }),
    workflows: Effect.sync(() => definitions.all().map((registered) => registered.definition))
  }
  return { calls, row }
})

type Reads = Effect.Effect.Success<typeof makeReads>

/** Verbs of ports inside a caller's transaction are part of it. */
const inJoined = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Transaction>> =>
  Effect.flatMap(Joined, (joined) =>
    joined === undefined
      ? Effect.dieMessage("no transaction of the caller is open")
      : Effect.provideService(effect, Transaction, joined.transaction)
  )

const makeWrites = (reads: Reads) =>
  Effect.gen(function* () {
    const transactor = yield* Transactor
    const definitions = yield* Definitions
    const begin = yield* makeBegin
    const intake = yield* Intake
    const triggers = yield* TriggerStore
    const waker = yield* Waker
    const supervisor = yield* RunSupervisor
    const facade = yield* Facade

    const inTransaction = <A, E, R>(sql: Parameters<EngineShape["inTransaction"]>[0], effect: Effect.Effect<A, E, R>) =>
      Effect.flatMap(joinTransaction(transactor, sql, effect), ({ touched, value }) =>
        Effect.as(
          Effect.forEach(touched, (runId) => intake.wake(runId, "ready"), { discard: true }),
          value
        )
      )

    facade.bind({
      transact: (client, effect) => inTransaction(client as SqlClient, inJoined(effect)),
      start: ({ definition, input, parent, runId }) =>
        Effect.flatMap(encodeInput(definition, input, fromType), (encoded) =>
          begin.one(definition, encoded, { runId }, { parent })
        ),
      result: childResultOf
    })

    const deliver = (
      id: string,
      nodeId: string,
      payload: EncodedValue,
      rawInputId: string,
      to: Pick<TriggerDelivery, "signal" | "workflow">
    ) =>
      Effect.gen(function* () {
        const runId = yield* runIdFrom(id)
        const inputId = yield* inputIdFrom(rawInputId)
        const joined = yield* Joined
        const delivery = { runId, nodeId, inputId, payload: payload.text, ...to }
        const outcome =
          joined === undefined ? yield* intake.deliver(delivery) : yield* intake.deliverIn(joined.transaction, delivery)
        joined?.touched.push(runId)
        switch (outcome._tag) {
          case "RunNotFound":
            return yield* new RunNotFound({ runId })
          case "RunEnded":
            return yield* new RunEnded({ runId, status: outcome.status })
          default:
            return { accepted: outcome._tag === "Delivered" }
        }
      })

    const command = (asked: Asked) => (id: string) =>
      Effect.gen(function* () {
        const runId = yield* runIdFrom(id)
        const outcome = yield* intake.request(runId, asked)
        if (outcome._tag === "RunNotFound") return yield* new RunNotFound({ runId })
        if (outcome._tag === "Refused") return yield* refusalOf(runId, asked, outcome.status)
        return outcome.status
      })

    /** In the caller's transaction if there is one: the embedded database has no second connection to ask. */
    const addressee = (runId: RunId) =>
      Effect.flatMap(Joined, (joined) =>
        joined === undefined
          ? reads.row(runId)
          : Effect.flatMap(
              Effect.provideService(triggers.addressee(runId), Transaction, joined.transaction),
              (found) => (found === undefined ? Effect.fail(new RunNotFound({ runId })) : Effect.succeed(found))
            )
      )

    const asked = (request: EncodedStart) =>
      Effect.gen(function* () {
        const { definition } = yield* definitions.resolve(request.workflow, request.version)
        return { definition, encoded: yield* encodeInput(definition, request.input, fromJson), options: request }
      })

    const registeredOf = (runId: RunId) =>
      Effect.flatMap(addressee(runId), ({ workflow, workflowVersion }) =>
        definitions.resolve(workflow, workflowVersion)
      )

    const payloadSchema = (definition: Workflow.WorkflowDefinition, nodeId: string) => {
      const schema = definition.nodes.get(nodeId)?.payload
      return schema === undefined
        ? Effect.fail(new NodeNotFound({ workflow: definition.name, nodeId }))
        : Effect.succeed(schema)
    }

    return {
      start: <W extends Workflow.Any>(workflow: W, input: Workflow.Input<W>, options: StartOptions = {}) =>
        Effect.flatMap(encodeInput(workflow, input, fromType), (encoded) => begin.one(workflow, encoded, options)),
      startMany: <W extends Workflow.Any>(
        workflow: W,
        runs: ReadonlyArray<{ readonly input: Workflow.Input<W> } & StartOptions>
      ) =>
        begin.many(
          runs.map(({ input, ...options }) =>
            Effect.map(encodeInput(workflow, input, fromType), (encoded) => ({
              definition: workflow,
              encoded,
              options
            }))
          )
        ),
      startEncoded: (request: EncodedStart) =>
        Effect.flatMap(asked(request), ({ definition, encoded, options }) => begin.one(definition, encoded, options)),
      startManyEncoded: (requests: ReadonlyArray<EncodedStart>) => begin.many(requests.map(asked)),
      trigger: <W extends Workflow.Any>(
        workflow: W,
        runId: string,
        nodeId: string,
        payload: unknown,
        options: { readonly inputId: string }
      ) =>
        Effect.gen(function* () {
          const schema = yield* Effect.orDie(payloadSchema(workflow, nodeId))
          const encoded = yield* encodePayload(schema, payload, fromType)
          return yield* deliver(runId, nodeId, encoded, options.inputId, { workflow: workflow.name })
        }),
      signal: <S extends Signal>(
        workflow: Workflow.Any,
        runId: string,
        nodeId: string,
        signal: S,
        payload: Payload<S>,
        options: { readonly inputId: string }
      ) =>
        Effect.gen(function* () {
          const to = { workflow: workflow.name, signal: yield* signalTo(workflow, nodeId, signal) }
          const encoded = yield* encodePayload(signal.payload, payload, fromType)
          return yield* deliver(runId, nodeId, encoded, options.inputId, to)
        }),
      triggerEncoded: (request: {
        readonly runId: string
        readonly nodeId: string
        readonly inputId: string
        readonly payload: unknown
      }) =>
        Effect.gen(function* () {
          const { definition } = yield* registeredOf(yield* runIdFrom(request.runId))
          const schema = yield* payloadSchema(definition, request.nodeId)
          const payload = yield* encodePayload(schema, request.payload, fromJson)
          return yield* deliver(request.runId, request.nodeId, payload, request.inputId, {})
        }),
      signalEncoded: (request: {
        readonly runId: string
        readonly nodeId: string
        readonly signal: string
        readonly inputId: string
        readonly payload: unknown
      }) =>
        Effect.gen(function* () {
          const { nodeId } = request
          const { definition } = yield* registeredOf(yield* runIdFrom(request.runId))
          const node = definition.nodes.get(nodeId)
          if (node === undefined) return yield* new NodeNotFound({ workflow: definition.name, nodeId })
          const signal = listedSignal(node, request.signal)
          if (signal === undefined) {
            return yield* new SignalNotFound({ workflow: definition.name, nodeId, signal: request.signal })
          }
          const payload = yield* encodePayload(signal.payload, request.payload, fromJson)
          return yield* deliver(request.runId, nodeId, payload, request.inputId, { signal: signal.name })
        }),
      cancel: command("cancel"),
      pause: command("pause"),
      resume: command("resume"),
      retry: command("retry"),
      unpark: command("unpark"),
      recover: (id: string) =>
        Effect.gen(function* () {
          yield* waker.look([yield* runIdFrom(id)])
          return yield* reads.calls.resumability(id)
        }),
      inTransaction,
      drain: supervisor.drain
    }
  })
