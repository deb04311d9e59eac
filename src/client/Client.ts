import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Either from "effect/Either"
import type * as Option from "effect/Option"
import type * as Stream from "effect/Stream"
import type * as Query from "../definition/Query.js"
import type * as Signal from "../definition/Signal.js"
import type * as Workflow from "../definition/Workflow.js"
import type { StartedRun, StartOptions } from "../Engine.js"
import type * as OperatorShapes from "../http/OperatorShapes.js"
import type * as Shapes from "../http/Shapes.js"
import type { Attributes } from "../model/Attributes.js"
import type {
  CommandRefused,
  DefinitionMismatch,
  InvalidInput,
  NodeNotFound,
  RunCancelled,
  RunConflict,
  RunEnded,
  RunNotFound,
  SignalNotFound,
  WorkflowNotFound
} from "../model/Errors.js"
import type { RunId } from "../model/Ids.js"
import type { RunStatus } from "../model/Status.js"
import type { ClientTrouble } from "./Errors.js"

/** A run as the server shows it. */
export type Run = typeof Shapes.Run.Type
/** A run as a list shows it. */
export type RunSummary = (typeof Shapes.RunPage.Type)["runs"][number]
/** An event of a run's audit trail. */
export type RunEvent = (typeof Shapes.Events.Type)["events"][number]
/** Why a run is not moving. */
export type Explanation = typeof OperatorShapes.Explanation.Type

/** How a run ended, with the JSON text of its output or of its failure. */
export interface RunEnd {
  readonly runId: RunId
  readonly status: RunStatus
  readonly output: string | null
  readonly failure: string | null
}

/** Which runs a list shows. */
export interface RunQuery {
  readonly workflow?: string
  readonly status?: RunStatus
  readonly attributes?: Attributes
  readonly since?: Date
  readonly until?: Date
  readonly limit?: number
  /** `nextCursor` of the page before. */
  readonly cursor?: string
}

/** What a reader of a run's stream is told. */
export type RunNews =
  | { readonly _tag: "Event"; readonly event: RunEvent }
  | { readonly _tag: "Status"; readonly status: RunStatus; readonly reason?: string }
  | { readonly _tag: "End"; readonly status: RunStatus; readonly reason?: string }

type Command = (runId: string) => Effect.Effect<RunStatus, RunNotFound | CommandRefused | InvalidInput | ClientTrouble>

/**
 * The engine, over HTTP: the interface of `Engine` from a workflow's definition alone, in a server or a browser.
 *
 * **Details** Values are encoded and results decoded by the schemas of the definition, errors are those of the engine. What can
 * be asked twice without harm is asked again when the server can't be reached.
 *
 * It differs from `Engine` where there is a wire in between: `get`, `list` and `events` give what people are shown, without secrets, and page by cursors;
 * `follow` is here alone. What takes part in the process of the engine is there alone: `inTransaction`, `drain`, `recover`,
 * `resumability` and the `Encoded` forms.
 *
 * **Errors** Beside the engine's own errors every call can fail with `ClientTrouble`.
 *
 * @example
 * const program = Effect.gen(function*() {
 *   const client = yield* Client
 *   const { runId } = yield* client.start(Order, { order }, { runId: `order-${order.id}` })
 *   yield* client.trigger(Order, runId, "approval", { approved: true, by: "ada" }, { inputId: "mail-17" })
 *   return yield* client.await(Order, runId)
 * }).pipe(Effect.provide(layer({ url: "http://127.0.0.1:4400" })))
 */
export interface ClientApi {
  /** Starts a run. Idempotent by `runId`: the same input again is the same run, another one a `RunConflict`. */
  readonly start: <W extends Workflow.Any>(
    workflow: W,
    input: Workflow.Input<W>,
    options?: StartOptions
  ) => Effect.Effect<StartedRun, WorkflowNotFound | InvalidInput | RunConflict | ClientTrouble>
  /**
   * Starts many runs, each by itself: what became of each, in the order given, in batches of at most 1,000.
   *
   * **Details** Some may have started where others were refused. A batch that fails as a whole has failed so for each of its runs;
   * starting with the same `runId`s again is safe.
   *
   * @example
   * const results = yield* client.startMany(Order, orders.map((order) => ({ input: { order }, runId: `order-${order.id}` })))
   */
  readonly startMany: <W extends Workflow.Any>(
    workflow: W,
    runs: ReadonlyArray<{ readonly input: Workflow.Input<W> } & StartOptions>
  ) => Effect.Effect<
    ReadonlyArray<Either.Either<StartedRun, WorkflowNotFound | InvalidInput | RunConflict | ClientTrouble>>
  >
  /** Sends an external event to a node; `accepted` is false when this `inputId` was sent before. */
  readonly trigger: <W extends Workflow.Any, const Id extends Workflow.ExternalNodes<W>>(
    workflow: W,
    runId: string,
    nodeId: Id,
    payload: Workflow.Payload<W, Id>,
    options: { readonly inputId: string }
  ) => Effect.Effect<
    { readonly accepted: boolean },
    InvalidInput | RunNotFound | RunEnded | NodeNotFound | WorkflowNotFound | ClientTrouble
  >
  /** Sends a signal to the steps of a node that lists it; `accepted` is false when this `inputId` was sent before. */
  readonly signal: <W extends Workflow.Any, S extends Signal.Signal>(
    workflow: W,
    runId: string,
    nodeId: Workflow.NodeId<W>,
    signal: S,
    payload: Signal.Payload<S>,
    options: { readonly inputId: string }
  ) => Effect.Effect<
    { readonly accepted: boolean },
    InvalidInput | RunNotFound | RunEnded | NodeNotFound | SignalNotFound | WorkflowNotFound | ClientTrouble
  >
  /** The last answer a node has published, if any. */
  readonly query: <W extends Workflow.Any, Q extends Query.Query>(
    workflow: W,
    runId: string,
    nodeId: Workflow.NodeId<W>,
    query: Q
  ) => Effect.Effect<Option.Option<Query.Success<Q>>, InvalidInput | RunNotFound | DefinitionMismatch | ClientTrouble>
  /** Waits for a run's end and gives its typed output, or fails with what a node failed of, typed as well. */
  readonly await: <W extends Workflow.Any>(
    workflow: W,
    runId: string
  ) => Effect.Effect<
    Workflow.Output<W>,
    RunNotFound | Workflow.Failed<W> | RunCancelled | InvalidInput | DefinitionMismatch | ClientTrouble
  >
  /** Waits for a run's end and says how it ended, with the JSON text of its output or failure. */
  readonly awaitEnd: (runId: string) => Effect.Effect<RunEnd, RunNotFound | InvalidInput | ClientTrouble>
  /** A run with its input, its result and its nodes, as JSON for people: secrets are hidden. */
  readonly get: (runId: string) => Effect.Effect<Run, RunNotFound | InvalidInput | ClientTrouble>
  /** Runs, newest first, page by page. */
  readonly list: (
    query?: RunQuery
  ) => Effect.Effect<
    { readonly runs: ReadonlyArray<RunSummary>; readonly nextCursor?: string },
    InvalidInput | ClientTrouble
  >
  /** The audit trail of a run: a record that may have gaps. */
  readonly events: (
    runId: string,
    options?: { readonly nodeId?: string; readonly after?: string; readonly limit?: number }
  ) => Effect.Effect<ReadonlyArray<RunEvent>, RunNotFound | InvalidInput | ClientTrouble>
  /** Follows a run until it has ended; goes on where it was when the connection breaks. */
  readonly follow: (runId: string) => Stream.Stream<RunNews, RunNotFound | InvalidInput | ClientTrouble>
  readonly cancel: Command
  readonly pause: Command
  readonly resume: Command
  /** Lets a failed run go on from what failed, or a parked one from where it stands. */
  readonly retry: Command
  /** Lets a parked run go on from where it stands; refuses a failed one. */
  readonly unpark: Command
  /** Why a run is not moving. */
  readonly explain: (runId: string) => Effect.Effect<Explanation, RunNotFound | InvalidInput | ClientTrouble>
  /** The workflows that the server executes. */
  readonly workflows: Effect.Effect<typeof Shapes.Workflows.Type, InvalidInput | ClientTrouble>
}

/** The client of a server. */
export class Client extends Context.Tag("perdure/Client")<Client, ClientApi>() {}
