import * as ClusterWorkflowEngine from "@effect/cluster/ClusterWorkflowEngine"
import * as SingleRunner from "@effect/cluster/SingleRunner"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Activity from "@effect/workflow/Activity"
import * as DurableDeferred from "@effect/workflow/DurableDeferred"
import * as Workflow from "@effect/workflow/Workflow"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import {
  chainSteps,
  expectCount,
  fanCount,
  fanWidth,
  firstValue,
  join,
  type Open,
  type OpenOptions,
  Signals,
  step,
  stepsLeft,
  until
} from "../session.js"

const Value = Schema.Struct({ count: Schema.Int, padding: Schema.String })
type Value = typeof Value.Type

const workflow = <const Name extends string>(name: Name) =>
  Workflow.make({
    name,
    payload: { runId: Schema.String, value: Value },
    success: Value,
    idempotencyKey: ({ runId }) => runId
  })

const Chain = workflow("chain")
const Fan = workflow("fan")
const Long = workflow("long")
const Waiting = workflow("waiting")
const Go = DurableDeferred.make("go", { success: Schema.Boolean })

const activity = (name: string, value: Value) =>
  Activity.make({ name, success: Value, execute: Effect.sync(() => step(value)) })

const steps = (from: number, to: number, given: Value) =>
  Effect.gen(function* () {
    let value = given
    for (let i = from; i < to; i++) value = yield* activity(`step${i + 1}`, value)
    return value
  })

const ChainLayer = Chain.toLayer(({ value }) => steps(0, chainSteps, value))

const FanLayer = Fan.toLayer(({ value }) =>
  Effect.gen(function* () {
    const split = yield* activity("split", value)
    const branches = yield* Effect.forEach(
      Array.from({ length: fanWidth }, (_, i) => `work${i + 1}`),
      (name) => activity(name, split),
      { concurrency: "unbounded" }
    )
    return yield* activity("join", join(branches))
  })
)

const connections = 32

/** One runner with its messages in PostgreSQL: no other runner to agree with, nothing serialised for one. */
const engine = ({ execution, url }: OpenOptions) =>
  ClusterWorkflowEngine.layer.pipe(
    Layer.provideMerge(
      SingleRunner.layer({
        runnerStorage: "memory",
        shardingConfig: {
          simulateRemoteSerialization: false,
          entityMailboxCapacity: "unbounded",
          entityReplyPollInterval: "20 millis",
          entityMessagePollInterval: "500 millis",
          sendRetryInterval: "10 millis",
          ...(execution === "paused" ? { runnerAddress: Option.none() } : {})
        }
      })
    ),
    Layer.provide(PgClient.layer({ url: Redacted.make(url), maxConnections: connections }))
  )

export const open: Open = async (options, held) => {
  const { execution, history, hold } = options
  const signals = new Signals()
  const LongLayer = Long.toLayer(({ value }) =>
    Effect.gen(function* () {
      const reached = yield* steps(0, history, value)
      if (hold) {
        held()
        yield* Effect.never
      }
      return yield* steps(history, history + stepsLeft, reached)
    })
  )
  const WaitingLayer = Waiting.toLayer(({ runId, value }) =>
    Effect.gen(function* () {
      const before = yield* activity("before", value)
      signals.tell(`waiting ${runId}`)
      yield* DurableDeferred.await(Go)
      const last = yield* activity("after", before)
      signals.tell(`ended ${runId}`)
      return last
    })
  )
  const workflows = execution === "paused" ? Layer.empty : Layer.mergeAll(ChainLayer, FanLayer, LongLayer, WaitingLayer)
  const runtime = ManagedRuntime.make(Layer.provideMerge(workflows, engine(options)))
  await runtime.runtime()
  const payload = (runId: string) => ({ runId, value: firstValue })
  const run = async (running: typeof Chain | typeof Fan | typeof Long, runId: string, count: number) =>
    expectCount(await runtime.runPromise((running as typeof Chain).execute(payload(runId))), count)
  const begin = async (starting: typeof Chain | typeof Long | typeof Waiting, runId: string) => {
    await runtime.runPromise((starting as typeof Chain).execute(payload(runId), { discard: true }))
  }
  return {
    chain: (runId) => run(Chain, runId, chainSteps),
    fan: (runId) => run(Fan, runId, fanCount),
    long: (runId) => begin(Long, runId),
    resumed: async (runIds) => {
      await Promise.all(runIds.map((runId) => run(Long, runId, history + stepsLeft)))
    },
    wait: async (runId) => {
      const reached = signals.heard(`waiting ${runId}`)
      await begin(Waiting, runId)
      await reached
    },
    wake: (runId) =>
      runtime.runPromise(
        Effect.gen(function* () {
          const token = yield* DurableDeferred.tokenFromPayload(Go, { workflow: Waiting, payload: payload(runId) })
          yield* DurableDeferred.succeed(Go, { token, value: true })
        })
      ),
    woken: async (runId) => {
      await signals.heard(`ended ${runId}`)
      const id = await runtime.runPromise(Waiting.executionId(payload(runId)))
      await until(10, async () => (await runtime.runPromise(Waiting.poll(id)))?._tag === "Complete")
    },
    start: (runId) => begin(Chain, runId),
    close: () => runtime.dispose()
  }
}
