import * as Inspectable from "effect/Inspectable"
import * as Schema from "effect/Schema"
import { Failure } from "./Failure.js"
import { RunStatus } from "./Status.js"

/** No run has this id. */
export class RunNotFound extends Schema.TaggedError<RunNotFound>()("RunNotFound", { runId: Schema.String }) {
  override get message(): string {
    return `no run ${this.runId}`
  }
}

/** The run id is taken by a run of another workflow, version or input. */
export class RunConflict extends Schema.TaggedError<RunConflict>()("RunConflict", {
  runId: Schema.String,
  field: Schema.Literal("workflow", "version", "input")
}) {
  override get message(): string {
    return `run ${this.runId} exists with another ${this.field}`
  }
}

/** The run has ended; nothing more can be sent to it. */
export class RunEnded extends Schema.TaggedError<RunEnded>()("RunEnded", { runId: Schema.String, status: RunStatus }) {
  override get message(): string {
    return `run ${this.runId} is ${this.status}`
  }
}

/** The command does not fit the present status of the run; `remedy` is the command that does, if one would let it go on. */
export class CommandRefused extends Schema.TaggedError<CommandRefused>()("CommandRefused", {
  runId: Schema.String,
  command: Schema.String,
  status: RunStatus,
  remedy: Schema.optionalWith(Schema.Literal("retry", "unpark", "resume"), { exact: true })
}) {
  override get message(): string {
    const why = `can't ${this.command} run ${this.runId}: it is ${this.status}`
    return this.remedy === undefined ? why : `${why}; to let it go on, ${this.remedy} it`
  }
}

/** No workflow of this name, or no such version of it, is registered here. */
export class WorkflowNotFound extends Schema.TaggedError<WorkflowNotFound>()("WorkflowNotFound", {
  workflow: Schema.String,
  version: Schema.optional(Schema.Int)
}) {
  override get message(): string {
    return `no workflow ${this.workflow}${this.version === undefined ? "" : ` version ${this.version}`} is registered here`
  }
}

/** The workflow has no node of this id that takes external input. */
export class NodeNotFound extends Schema.TaggedError<NodeNotFound>()("NodeNotFound", {
  workflow: Schema.String,
  nodeId: Schema.String
}) {
  override get message(): string {
    return `workflow ${this.workflow} has no node ${this.nodeId} that takes input from outside`
  }
}

/** The node does not say that it takes a signal of this name. */
export class SignalNotFound extends Schema.TaggedError<SignalNotFound>()("SignalNotFound", {
  workflow: Schema.String,
  nodeId: Schema.String,
  signal: Schema.String
}) {
  override get message(): string {
    return `node ${this.nodeId} of workflow ${this.workflow} does not list a signal ${this.signal} in its signals`
  }
}

/**
 * A value from outside does not fit.
 *
 * **Details** `field` is the path from the top of what was sent, such as `input.order.amount`.
 */
export class InvalidInput extends Schema.TaggedError<InvalidInput>()("InvalidInput", {
  field: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.field}: ${this.reason}`
  }
}

/** The database knows this name and version with another graph; `difference` says what differs, a line each. */
export class DefinitionConflict extends Schema.TaggedError<DefinitionConflict>()("DefinitionConflict", {
  workflow: Schema.String,
  version: Schema.Int,
  difference: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `workflow ${this.workflow} version ${this.version} differs from what the database knows; give it a new version:\n${this.difference.join(
      "\n"
    )}`
  }
}

/** The engine was awaited inside a transaction that it would have to wait for. */
export class AwaitInTransaction extends Schema.TaggedError<AwaitInTransaction>()("AwaitInTransaction", {
  runId: Schema.String
}) {
  override get message(): string {
    return `awaiting run ${this.runId} inside a transaction would wait for itself`
  }
}

/**
 * The database did not do what it was asked.
 *
 * **Details** `retryable`: nothing happened and it may go through later. `unknown`: the acknowledgement of a COMMIT was
 * lost. `fatal`: nothing happened and trying again won't help. `sqlState` is PostgreSQL's code where there is one.
 */
export class DatabaseError extends Schema.TaggedError<DatabaseError>()("DatabaseError", {
  outcome: Schema.Literal("retryable", "unknown", "fatal"),
  operation: Schema.String,
  sqlState: Schema.optional(Schema.String),
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.operation}: ${this.reason}${this.sqlState === undefined ? "" : ` (${this.sqlState})`}`
  }
}

/** A stored row could not be read; it is never skipped. */
export class UndecodableRow extends Schema.TaggedError<UndecodableRow>()("UndecodableRow", {
  table: Schema.String,
  key: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.table} ${this.key}: ${this.reason}`
  }
}

/**
 * The run has failed: no error port took the failure.
 *
 * **Details** `failure` is data, with the node's error in its encoded form: it can be stored and sent. `error` is the same error as the
 * node's schema reads it, where the failure is a typed one and the workflow's definition was at hand.
 */
export class RunFailed extends Schema.TaggedError<RunFailed>()("RunFailed", {
  runId: Schema.String,
  failure: Failure
}) {
  declare readonly error: unknown

  /** One that is known with its error; it is stored, compared and shown by what it is without. */
  static reading(failed: { readonly runId: string; readonly failure: Failure }, error: unknown): RunFailed {
    return Object.defineProperty(new RunFailed(failed), "error", { value: error })
  }

  /** As logs show it: the error as its schema reads it, or hidden where no definition said what of it is secret. */
  override toJSON(): object {
    const { error, ...failure } = this.failure
    const shown = error === undefined ? {} : { error: this.error ?? "<redacted>" }
    return { _tag: this._tag, runId: this.runId, failure: { ...failure, ...shown } }
  }

  override [Inspectable.NodeInspectSymbol](): unknown {
    return this.toJSON()
  }

  /** The node that failed; `output` where the run failed as a whole. */
  get nodeId(): string {
    return this.failure.nodeId
  }

  override get message(): string {
    return `run ${this.runId} failed at ${this.failure.nodeId}: ${this.failure.message}`
  }
}

/** A result, or an answer, does not fit the definition at hand: another build of it was executed. */
export class DefinitionMismatch extends Schema.TaggedError<DefinitionMismatch>()("DefinitionMismatch", {
  workflow: Schema.String,
  version: Schema.Int,
  reason: Schema.String
}) {
  override get message(): string {
    return `workflow ${this.workflow} version ${this.version} was executed by another build of it: ${this.reason}`
  }
}

/** The run was cancelled. */
export class RunCancelled extends Schema.TaggedError<RunCancelled>()("RunCancelled", { runId: Schema.String }) {
  override get message(): string {
    return `run ${this.runId} was cancelled`
  }
}

/**
 * A step of a handler that can't be: a defect of the handler, never tried again.
 *
 * **Details** Two steps of one name and key in one attempt, a step inside a step, in a finalizer or another region that
 * can't be interrupted, outside of a run, or under no proper name.
 */
export class StepMisuse extends Schema.TaggedError<StepMisuse>()("StepMisuse", {
  step: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `step ${this.step}: ${this.reason}`
  }
}
