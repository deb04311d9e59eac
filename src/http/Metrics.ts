import { monitorEventLoopDelay } from "node:perf_hooks"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as MetricState from "effect/MetricState"
import { Counter, Gauge, type MetricValue, type Metric as PromMetric, Registry } from "prom-client"
import { Operator } from "../Operator.js"
import { auditDropped } from "../runtime/AuditTrail.js"
import type { Standing } from "../runtime/Condition.js"
import { loopTurns, transitionCounts } from "../runtime/Measures.js"
import type { Backlog, WorkerStanding } from "../store/Overview.js"

/** The figures of this process and of its database, for Prometheus. */
export class Metrics extends Context.Tag("perdure/http/Metrics")<
  Metrics,
  { readonly text: Effect.Effect<{ readonly body: string; readonly contentType: string }> }
>() {}

const nanosPerSecond = 1e9

const gauge = (registry: Registry, name: string, help: string, labelNames: ReadonlyArray<string> = []) =>
  new Gauge({ name, help, labelNames: [...labelNames], registers: [registry] })

const processGauges = (registry: Registry) => {
  const delay = monitorEventLoopDelay({ resolution: 20 })
  delay.enable()
  const lag = gauge(registry, "perdure_event_loop_lag_seconds", "Delay of the event loop since the last look", [
    "quantile"
  ])
  const memory = gauge(registry, "perdure_memory_bytes", "Memory of this process", ["kind"])
  const set = () => {
    lag.set({ quantile: "0.5" }, delay.percentile(50) / nanosPerSecond)
    lag.set({ quantile: "0.99" }, delay.percentile(99) / nanosPerSecond)
    lag.set({ quantile: "1" }, delay.max / nanosPerSecond)
    delay.reset()
    const { heapUsed, rss } = process.memoryUsage()
    memory.set({ kind: "resident" }, rss)
    memory.set({ kind: "heap" }, heapUsed)
  }
  return { set, stop: () => delay.disable() }
}

/** What the runtime counts by itself. */
const runtimeCounts = (registry: Registry) => {
  const transitions = new Counter({
    name: "perdure_transitions_total",
    help: "What became true, by kind: firings that changed, and commits of runs",
    labelNames: ["kind"],
    registers: [registry]
  })
  const failures = new Counter({
    name: "perdure_loop_failures_total",
    help: "Turns of a worker's loops that failed",
    labelNames: ["loop"],
    registers: [registry]
  })
  const last = gauge(registry, "perdure_loop_last_turn_timestamp_seconds", "When a loop last turned well", ["loop"])
  return () => {
    transitions.reset()
    for (const [kind, count] of transitionCounts()) transitions.inc({ kind }, count)
    failures.reset()
    for (const [loop, turns] of loopTurns()) {
      failures.inc({ loop }, turns.failures)
      last.set({ loop }, turns.lastAtMs / 1_000)
    }
  }
}

/** What the worker of this process knows of itself. */
const workerGauges = (registry: Registry) => {
  const slots = gauge(registry, "perdure_slots", "Firings that run in this process, and how many may", ["state"])
  const runs = gauge(registry, "perdure_runs_in_memory", "Runs in memory of this process, and how many may be", [
    "state"
  ])
  const queue = gauge(registry, "perdure_queue_depth", "What waits inside this process", ["queue"])
  const listening = gauge(registry, "perdure_listener_up", "Whether there is a session for hints of other processes")
  const swept = gauge(
    registry,
    "perdure_sweep_age_seconds",
    "Time since everything was last looked at; none before that"
  )
  return (standing: Standing) => {
    slots.set({ state: "taken" }, standing.slots.taken)
    slots.set({ state: "size" }, standing.slots.size)
    runs.set({ state: "held" }, standing.runs.held)
    runs.set({ state: "most" }, standing.runs.most)
    queue.set({ queue: "audit" }, standing.auditWaiting)
    listening.set(standing.listening === "broken" ? 0 : 1)
    swept.reset()
    if (standing.sweptMsAgo !== undefined) swept.set(standing.sweptMsAgo / 1_000)
  }
}

const databaseGauges = (registry: Registry) => {
  const up = gauge(registry, "perdure_database_up", "Whether the database answered this look")
  const waiting = gauge(registry, "perdure_backlog", "What waits, counted up to 10,000", ["what"])
  const workers = gauge(registry, "perdure_workers", "Workers that the database knows", ["state"])
  // Several processes may go by one name.
  const label = ["worker", "incarnation"]
  const age = gauge(
    registry,
    "perdure_lease_age_seconds",
    "Time since the last sign of life, also of the dead that hold runs",
    label
  )
  const held = gauge(registry, "perdure_runs_held", "Runs that a worker holds, counted up to 10,000", label)
  return (found: { readonly backlog: Backlog; readonly workers: ReadonlyArray<WorkerStanding> } | undefined) => {
    for (const each of [waiting, workers, age, held]) each.reset()
    up.set(found === undefined ? 0 : 1)
    if (found === undefined) return
    for (const [what, count] of Object.entries(found.backlog)) waiting.set({ what }, count)
    const living = found.workers.filter(({ alive }) => alive)
    workers.set({ state: "alive" }, living.length)
    workers.set({ state: "dead" }, found.workers.length - living.length)
    // What a dead one still holds nobody moves: its age is what an alarm goes by.
    for (const { heartbeatAt, incarnation, runs, workerId: worker } of found.workers.filter(
      ({ alive, runs }) => alive || runs > 0
    )) {
      age.set({ worker, incarnation }, Math.max(0, (Date.now() - heartbeatAt.getTime()) / 1_000))
      held.set({ worker, incarnation }, runs)
    }
  }
}

type Value = MetricValue<string>

/** The buckets of a histogram, each with all that is below it. */
const bucketsOf = (name: string, state: MetricState.MetricState.Histogram): Array<Value & { metricName: string }> => [
  ...[...state.buckets]
    .filter(([le]) => Number.isFinite(le))
    .map(([le, value]) => ({ metricName: `${name}_bucket`, labels: { le }, value })),
  { metricName: `${name}_bucket`, labels: { le: "+Inf" }, value: state.count },
  { metricName: `${name}_sum`, labels: {}, value: state.sum },
  { metricName: `${name}_count`, labels: {}, value: state.count }
]

/** A metric that somebody else keeps: a registry asks a metric for nothing but its name and `get`. */
class Given {
  readonly aggregator = "sum"
  constructor(
    readonly name: string,
    readonly help: string,
    readonly type: "counter" | "histogram",
    readonly values: ReadonlyArray<Value>
  ) {}
  get(): Promise<Given> {
    return Promise.resolve(this)
  }
}

/** The metrics of Effect that are ours, in the exporter's form. */
const effectMetrics = (): ReadonlyArray<Given> => {
  const found = new Map<string, Given>()
  for (const { metricKey, metricState } of Metric.unsafeSnapshot()) {
    const { name } = metricKey
    if (!name.startsWith("perdure_")) continue
    const help = metricKey.description._tag === "Some" ? metricKey.description.value : name
    const values: Array<Value> = []
    let type: "counter" | "histogram" = "counter"
    if (MetricState.isCounterState(metricState)) values.push({ labels: {}, value: Number(metricState.count) })
    else if (MetricState.isHistogramState(metricState)) {
      type = "histogram"
      values.push(...bucketsOf(name, metricState))
    } else continue
    found.set(name, new Given(name, help, type, values))
  }
  return [...found.values()]
}

const make = Effect.gen(function* () {
  const operator = yield* Operator
  const registry = new Registry()
  const process = yield* Effect.acquireRelease(
    Effect.sync(() => processGauges(registry)),
    ({ stop }) => Effect.sync(stop)
  )
  // A counter that has not counted yet is shown as well.
  auditDropped.unsafeUpdate(0, [])
  const setCounts = runtimeCounts(registry)
  const setWorker = workerGauges(registry)
  const setDatabase = databaseGauges(registry)

  const text = Effect.gen(function* () {
    const found = yield* Effect.either(
      Effect.tapError(Effect.all({ backlog: operator.backlog, workers: operator.workers }), (error) =>
        Effect.logWarning("The database could not be asked for figures", error.message)
      )
    )
    process.set()
    setCounts()
    setWorker(yield* operator.condition)
    setDatabase(Either.isRight(found) ? found.right : undefined)
    const own = new Registry()
    for (const metric of effectMetrics()) own.registerMetric(metric as unknown as PromMetric<string>)
    const [first, second] = yield* Effect.promise(() => Promise.all([registry.metrics(), own.metrics()]))
    return { body: `${first}${second}`, contentType: registry.contentType }
  })
  return { text }
})

export const layer: Layer.Layer<Metrics, never, Operator> = Layer.scoped(Metrics, make)
