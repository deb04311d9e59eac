import * as Schema from "effect/Schema"
import type { Attributes } from "./Attributes.js"
import type { FiringRow } from "./Firing.js"
import { Frontier } from "./Frontier.js"
import { Incarnation, type InputId, RunId } from "./Ids.js"
import type { MessageRow } from "./Message.js"
import { InputStatus, RunStatus } from "./Status.js"
import type { StepRow } from "./StepRow.js"

/**
 * The row of a run that its owner rewrites with every commit; kept narrow, values stand elsewhere.
 *
 * **Details** `version` is the number of its last commit, `fence` the number of the last right given out over it,
 * `worker` the incarnation that holds it. `reason` says why it is parked, failed or suspended.
 */
export const RunRow = Schema.Struct({
  runId: RunId,
  workflow: Schema.String,
  workflowVersion: Schema.Int,
  status: RunStatus,
  version: Schema.Int,
  fence: Schema.Int,
  worker: Schema.NullOr(Incarnation),
  priority: Schema.Int,
  reason: Schema.NullOr(Schema.String),
  frontier: Frontier
})
export type RunRow = typeof RunRow.Type

/** A run's right as its holder knows it: what every write carries. */
export interface Lease {
  readonly runId: RunId
  readonly fence: number
}

/**
 * One commit of one run: everything that becomes true together.
 *
 * **Details** Applied if and only if the row bears `fence` and `version − 1`. `firings` are upserts of whole rows,
 * `started` firings that stand in the frontier alone.
 * `dueAt` is written only with `release`. With an ended status the lease ends too and unapplied inputs become `dead`;
 * with `parked` they become `held`.
 */
export interface RunCommit extends Lease {
  readonly version: number
  readonly status: RunStatus
  readonly reason: string | null
  readonly frontier: Frontier
  readonly firings: ReadonlyArray<FiringRow>
  readonly started: ReadonlyArray<FiringRow>
  readonly messages: ReadonlyArray<MessageRow>
  /** Messages already stored that nobody will take any more. */
  readonly discarded: ReadonlyArray<Omit<MessageRow, "content" | "discarded">>
  /** From where on what has come on an edge was not read, by a reader of streams that has ended before its stream. */
  readonly unread?: ReadonlyArray<Omit<MessageRow, "content" | "discarded">>
  /** `seq` of the trigger inputs this commit takes over. */
  readonly applied: ReadonlyArray<{ readonly seq: string; readonly status: "applied" | "dead" }>
  /** `seq` of the commands this commit answers. */
  readonly answered: ReadonlyArray<{
    readonly seq: string
    readonly status: "applied" | "refused"
    /** What is passed on to the run's children, once applied. */
    readonly kind?: CommandKind
  }>
  /** What handlers remember of their steps; of several rows of one step the last counts. */
  readonly steps: ReadonlyArray<StepRow>
  /** JSON text of the result of an ended run. */
  readonly output: string | null
  readonly failure: string | null
}

/**
 * A commit under the right it is written with.
 *
 * **Details** Each field by its name: where properties are added to a spread object, V8 of Node 20 takes most of a microsecond for each
 * of them, and 6 µs for the ten of a handler's context; a literal of them all takes a tenth of one.
 */
export const underFence = (commit: Omit<RunCommit, "fence">, fence: number): RunCommit => ({
  runId: commit.runId,
  fence,
  version: commit.version,
  status: commit.status,
  reason: commit.reason,
  frontier: commit.frontier,
  firings: commit.firings,
  started: commit.started,
  messages: commit.messages,
  discarded: commit.discarded,
  ...(commit.unread === undefined ? {} : { unread: commit.unread }),
  applied: commit.applied,
  answered: commit.answered,
  steps: commit.steps,
  output: commit.output,
  failure: commit.failure
})

/** A run as it is started: its first commit, and what never changes. */
export interface RunStart {
  readonly workflow: string
  readonly workflowVersion: number
  readonly priority: number
  /** Encoded input, as JSON text. */
  readonly input: string
  /** The incarnation that takes the lease at once, or none: then any worker may claim it. */
  readonly worker: Incarnation | null
  /** What it is found by. */
  readonly attributes?: Attributes
  /** Whether a firing can start, for those who look for work. */
  readonly ready: boolean
  /** When it has to be looked at if nobody has taken the lease: the time it begins at, or its deadline; ms since the epoch. */
  readonly dueAt: number | null
  readonly first: RunCommit
}

/** A trigger input as stored; `signal` names the steps it is for, where it is not for the node itself. */
export const TriggerInput = Schema.Struct({
  seq: Schema.String,
  runId: RunId,
  nodeId: Schema.String,
  inputId: Schema.String,
  signal: Schema.NullOr(Schema.String),
  payload: Schema.String,
  status: InputStatus
})
export type TriggerInput = typeof TriggerInput.Type

/** An external event on its way in; `payload` is JSON text. */
export interface TriggerDelivery {
  readonly runId: RunId
  readonly nodeId: string
  readonly inputId: InputId
  /** The workflow that its run has to be of, where the sender knows. */
  readonly workflow?: string
  /** The signal it is; absent for an event of the node itself. */
  readonly signal?: string
  readonly payload: string
}

/** What an operator or a caller asks of a run. */
export const CommandKind = Schema.Literal("cancel", "pause", "resume", "retry")
export type CommandKind = typeof CommandKind.Type

/** A command as stored. */
export const RunCommand = Schema.Struct({
  seq: Schema.String,
  runId: RunId,
  kind: CommandKind,
  status: InputStatus
})
export type RunCommand = typeof RunCommand.Type
