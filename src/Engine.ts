import type { SqlClient } from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import type * as Option from "effect/Option"
import type * as Query from "./definition/Query.js"
import type * as Signal from "./definition/Signal.js"
import type * as Workflow from "./definition/Workflow.js"
import type { Attributes } from "./model/Attributes.js"
import type {
  AwaitInTransaction,
  CommandRefused,
  DatabaseError,
  DefinitionMismatch,
  InvalidInput,
  NodeNotFound,
  RunCancelled,
  RunConflict,
  RunEnded,
  RunNotFound,
  SignalNotFound,
  UndecodableRow,
  WorkflowNotFound
} from "./model/Errors.js"
import type { RunStatus } from "./model/Status.js"
import type { RunEnd } from "./runtime/Awaiters.js"
import type { Registered } from "./runtime/Definitions.js"
import type { Explanation } from "./runtime/Explain.js"
import type { NodeView } from "./runtime/NodeView.js"
import type { RecordedEvent } from "./store/AuditLog.js"
import type { Resumability, RunFilter, RunSummary, RunView } from "./store/StateStore.js"

/** How a run is started. */
export interface StartOptions {
  /** Chosen by the caller, a second start with the same input is the same run; else generated. */
  readonly runId?: string
  /** Higher is claimed first; −100 to 100, 0 by default. */
  readonly priority?: number
  /** Nothing of the run starts before this time. */
  readonly startAt?: DateTime.DateTime.Input
  /** A run that has not ended by this time has failed, as by a time-out. */
  readonly deadline?: DateTime.DateTime.Input
  /** What it can be found by later; a start that finds the run there already leaves those of the first one. */
  readonly attributes?: Attributes
}

/** A run to be started by the name of its workflow; without a version, the newest one registered here. */
export interface EncodedStart extends StartOptions {
  readonly workflow: string
  readonly version?: number
  readonly input: unknown
}

/** A run as its starter sees it: `created` is false if it was there already. */
export interface StartedRun {
  readonly runId: string
  readonly status: RunStatus
  readonly created: boolean
}

/** A run with its nodes, as shown to people. */
export interface RunDetail extends RunView {
  readonly nodes: ReadonlyArray<NodeView>
}

/** A firing that has not ended: where a run goes on. */
export interface ResumptionPoint {
  readonly nodeId: string
  readonly firing: number
  /** The attempt it is at, or starts with. */
  readonly attempt: number
  /**
   * What becomes of it: it starts from its inputs, resumes with its state and the event that woke it, waits for an event
   * or a time, or is at work now.
   */
  readonly next: "start" | "resume" | "wait" | "running"
  /** JSON text of what it suspended with. */
  readonly state: string | null
  readonly reason: string | null
  /** Not before this time, in milliseconds since the epoch. */
  readonly notBefore: number | null
}

/** Whether and where a run goes on. */
export interface Resumption extends Resumability {
  readonly points: ReadonlyArray<ResumptionPoint>
}

type Trouble = DatabaseError | UndecodableRow

/**
 * The engine, as an application uses it.
 *
 * **Details** What it acknowledges is durable. Typed calls take the workflow's definition; the `Encoded` ones take names
 * and JSON, for servers and tools.
 *
 * **Errors** Every call can fail with `DatabaseError`; then nothing is promised, and doing the same again is safe.
 *
 * @example
 * const program = Effect.gen(function*() {
 *   const engine = yield* Engine
 *   const { runId } = yield* engine.start(Order, { order }, { runId: `order-${order.id}` })
 *   yield* engine.trigger(Order, runId, "approval", { approved: true, by: "ada" }, { inputId: "mail-17" })
 *   return yield* engine.await(Order, runId)
 * })
 */
export class Engine extends Context.Tag("perdure/Engine")<
  Engine,
  {
    /** Starts a run. Idempotent by `runId`: the same input again is the same run, another one a `RunConflict`. */
    readonly start: <W extends Workflow.Any>(
      workflow: W,
      input: Workflow.Input<W>,
      options?: StartOptions
    ) => Effect.Effect<StartedRun, InvalidInput | RunConflict | Trouble>
    /**
     * Starts many runs, each by itself: what became of each, in the order given, in as few transactions as it takes.
     *
     * **Details** Some may have started where others were refused. They take no lease: every worker with room has its share.
     *
     * @example
     * const results = yield* engine.startMany(Order, orders.map((order) => ({ input: { order }, runId: `order-${order.id}` })))
     */
    readonly startMany: <W extends Workflow.Any>(
      workflow: W,
      runs: ReadonlyArray<{ readonly input: Workflow.Input<W> } & StartOptions>
    ) => Effect.Effect<ReadonlyArray<Either.Either<StartedRun, InvalidInput | RunConflict | Trouble>>>
    /** Starts a run of a workflow registered here from the JSON of its input. */
    readonly startEncoded: (
      request: EncodedStart
    ) => Effect.Effect<StartedRun, WorkflowNotFound | InvalidInput | RunConflict | Trouble>
    /** Starts many runs of workflows registered here, each by itself, from the JSON of their inputs. */
    readonly startManyEncoded: (
      requests: ReadonlyArray<EncodedStart>
    ) => Effect.Effect<
      ReadonlyArray<Either.Either<StartedRun, WorkflowNotFound | InvalidInput | RunConflict | Trouble>>
    >
    /**
     * Sends an external event to a node; `accepted` is false when this `inputId` was sent before. Here as with a signal or a query a run of another
     * workflow is a `RunNotFound`.
     */
    readonly trigger: <W extends Workflow.Any, const Id extends Workflow.ExternalNodes<W>>(
      workflow: W,
      runId: string,
      nodeId: Id,
      payload: Workflow.Payload<W, Id>,
      options: { readonly inputId: string }
    ) => Effect.Effect<{ readonly accepted: boolean }, InvalidInput | RunNotFound | RunEnded | Trouble>
    /**
     * Sends a signal to the steps of a node; `accepted` is false when this `inputId` was sent to the node before. One whose name begins
     * with `$`, or that is another than the node lists under its name, is `InvalidInput`.
     */
    readonly signal: <W extends Workflow.Any, S extends Signal.Signal>(
      workflow: W,
      runId: string,
      nodeId: Workflow.NodeId<W>,
      signal: S,
      payload: Signal.Payload<S>,
      options: { readonly inputId: string }
    ) => Effect.Effect<{ readonly accepted: boolean }, InvalidInput | RunNotFound | RunEnded | Trouble>
    /** The last answer a node has published, if any; from its row, whether a worker lives or not. */
    readonly query: <W extends Workflow.Any, Q extends Query.Query>(
      workflow: W,
      runId: string,
      nodeId: Workflow.NodeId<W>,
      query: Q
    ) => Effect.Effect<Option.Option<Query.Success<Q>>, InvalidInput | RunNotFound | DefinitionMismatch | Trouble>
    /** Sends a signal from its JSON to a node that lists it in its `signals`, of a workflow registered here. */
    readonly signalEncoded: (request: {
      readonly runId: string
      readonly nodeId: string
      readonly signal: string
      readonly inputId: string
      readonly payload: unknown
    }) => Effect.Effect<
      { readonly accepted: boolean },
      InvalidInput | RunNotFound | RunEnded | NodeNotFound | SignalNotFound | WorkflowNotFound | Trouble
    >
    /** The JSON text of the last answer a node has published to the query of this name, if any. */
    readonly queryEncoded: (
      runId: string,
      nodeId: string,
      query: string
    ) => Effect.Effect<Option.Option<string>, InvalidInput | RunNotFound | Trouble>
    /** Sends an external event from its JSON to a run of a workflow registered here. */
    readonly triggerEncoded: (request: {
      readonly runId: string
      readonly nodeId: string
      readonly inputId: string
      readonly payload: unknown
    }) => Effect.Effect<
      { readonly accepted: boolean },
      InvalidInput | RunNotFound | RunEnded | NodeNotFound | WorkflowNotFound | Trouble
    >
    /**
     * Waits for a run's end and gives its typed output, or fails with what a node failed of, typed as well; not inside a transaction.
     *
     * **Errors** `RunFailed`: its `error` is that of the node `nodeId`, see `Workflow.Failed`. `DefinitionMismatch`: the run ended with a
     * value that this build of the definition can't read.
     */
    readonly await: <W extends Workflow.Any>(
      workflow: W,
      runId: string
    ) => Effect.Effect<
      Workflow.Output<W>,
      RunNotFound | Workflow.Failed<W> | RunCancelled | DefinitionMismatch | AwaitInTransaction | InvalidInput | Trouble
    >
    /** Waits for a run's end and says how it ended, with the JSON text of its output or failure. */
    readonly awaitEnd: (
      runId: string
    ) => Effect.Effect<RunEnd, RunNotFound | AwaitInTransaction | InvalidInput | Trouble>
    /** A run with its input, its result and its nodes. */
    readonly get: (runId: string) => Effect.Effect<RunDetail, RunNotFound | InvalidInput | Trouble>
    /** Runs, newest first. */
    readonly list: (filter: RunFilter) => Effect.Effect<ReadonlyArray<RunSummary>, Trouble>
    /** The audit trail of a run, optionally of one node: a record that may have gaps. */
    readonly events: (
      runId: string,
      options?: { readonly nodeId?: string; readonly after?: string; readonly limit?: number }
    ) => Effect.Effect<ReadonlyArray<RecordedEvent>, RunNotFound | InvalidInput | Trouble>
    /** Ends a run: nothing more starts, what runs is interrupted and its finalizers run. Gives the status it has now. */
    readonly cancel: (runId: string) => Effect.Effect<RunStatus, RunNotFound | CommandRefused | InvalidInput | Trouble>
    /** Lets what runs end and starts nothing more until it is resumed. */
    readonly pause: (runId: string) => Effect.Effect<RunStatus, RunNotFound | CommandRefused | InvalidInput | Trouble>
    readonly resume: (runId: string) => Effect.Effect<RunStatus, RunNotFound | CommandRefused | InvalidInput | Trouble>
    /**
     * Lets a failed run go on from what failed, or a parked one from where it stands.
     *
     * **Details** What failed has the same inputs and one more attempt, beside those its policy still has; steps that succeeded are
     * kept. A deadline of the run that has passed holds no more; one in the future still does. A run whose messages may be cleaned up is refused. A parked run's deaths are forgotten.
     */
    readonly retry: (runId: string) => Effect.Effect<RunStatus, RunNotFound | CommandRefused | InvalidInput | Trouble>
    /** Lets a parked run go on from where it stands, as `retry` does; refuses a failed one, whose retry is another decision. */
    readonly unpark: (runId: string) => Effect.Effect<RunStatus, RunNotFound | CommandRefused | InvalidInput | Trouble>
    /** Looks at this run now: takes it over if nobody alive holds it and hands over what waits for it. */
    readonly recover: (runId: string) => Effect.Effect<Resumption, RunNotFound | InvalidInput | Trouble>
    /** Whether a run can go on, and what it waits for. */
    readonly resumability: (runId: string) => Effect.Effect<Resumption, RunNotFound | InvalidInput | Trouble>
    /**
     * Why a run is not moving: one answer, from its rows and the memory of this worker.
     *
     * @example
     * const { _tag } = yield* engine.explain(runId) // "WaitsForTrigger", "HolderDead", "NotServed" …
     */
    readonly explain: (runId: string) => Effect.Effect<Explanation, RunNotFound | InvalidInput | Trouble>
    /** The workflows registered in this process. */
    readonly workflows: Effect.Effect<ReadonlyArray<Registered["definition"]>>
    /**
     * Runs an effect in a transaction of the application's client; what it starts and triggers is true if it commits.
     *
     * **Details** Joins the transaction that is open on `sql`, or opens one. Rolled back after 5 s. Such a start takes no
     * lease: a worker finds the run after the commit.
     */
    readonly inTransaction: <A, E, R>(
      sql: SqlClient,
      effect: Effect.Effect<A, E, R>
    ) => Effect.Effect<A, E | DatabaseError, R>
    /** Stops taking work, lets firings end within the grace time and hands every run over. */
    readonly drain: Effect.Effect<void>
  }
>() {}
