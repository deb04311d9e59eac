import * as Schema from "effect/Schema"
import { GraphSchema } from "../definition/GraphJson.js"
import { Attributes } from "../model/Attributes.js"
import { Failure } from "../model/Failure.js"
import { InputId, Name, RunId } from "../model/Ids.js"
import { FiringStatus, RunStatus } from "../model/Status.js"
import * as Errors from "./Errors.js"

const maybe = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(schema, { exact: true })

/** A value that has to be there; what it must look like, the workflow says. */
const Value = Schema.Unknown.pipe(Schema.filter((value) => value !== undefined || "is missing"))

const noMoment = "expected a time like 2026-11-23 or 2026-11-23T08:30:00Z"

/** A body that takes these fields and no others. */
const closed = <Fields extends Schema.Struct.Fields>(fields: Fields) =>
  Schema.Struct(fields).annotations({ parseOptions: { onExcessProperty: "error" } })

/** A day, or a moment with its offset from UTC; its milliseconds are what counts. */
const Moment = Schema.String.pipe(
  Schema.pattern(/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/, { message: () => noMoment }),
  Schema.filter((text) => !Number.isNaN(Date.parse(text)) || noMoment)
)

/** What starts a run. */
export const StartRun = closed({
  workflow: Name,
  version: maybe(Schema.Int.pipe(Schema.positive())),
  input: Value,
  runId: maybe(RunId),
  priority: maybe(Schema.Int.pipe(Schema.between(-100, 100))),
  startAt: maybe(Moment),
  deadline: maybe(Moment),
  attributes: maybe(Attributes)
})

/** What is sent to a node. */
export const SendTrigger = closed({ inputId: InputId, payload: Value })

/** The answer to a query, if the node has published one. */
export const Answered = Schema.Struct({ answered: Schema.Boolean, answer: maybe(Schema.Unknown) })

/** The body of a call that needs none: an empty object. A struct without fields would take anything. */
export const Nothing = Schema.Record({
  key: Schema.String,
  value: Schema.Never.annotations({ message: () => "is not a field of this body" })
})

/** Any JSON object: what it must look like, somebody else says. */
export const Anything = Schema.Record({ key: Schema.String, value: Schema.Unknown })

export const Healthy = Schema.Struct({ status: Schema.Literal("ok") })

export const Ready = Schema.Struct({ status: Schema.Literal("ready") })

export const Workflows = Schema.Array(
  Schema.Struct({ name: Schema.String, version: Schema.Int, hash: Schema.String, graph: GraphSchema })
)

/** Starts of one batch at most. */
export const mostStarts = 1_000

/** What starts many runs; each stands and falls by itself. */
export const StartRuns = closed({
  runs: Schema.Array(StartRun).pipe(Schema.minItems(1), Schema.maxItems(mostStarts))
})

export const Started = Schema.Struct({ runId: Schema.String, status: RunStatus })

/** What became of each start, in the order in which they were asked for. */
export const StartedRuns = Schema.Struct({
  results: Schema.Array(
    Schema.Struct({
      runId: maybe(Schema.String),
      status: maybe(RunStatus),
      created: maybe(Schema.Boolean),
      error: maybe(
        Schema.Union(
          Errors.WorkflowNotFound,
          Errors.RunConflict,
          Errors.InvalidInput,
          Errors.DatabaseUnavailable,
          Errors.InternalError
        )
      )
    })
  )
})

export const Status = Schema.Struct({ status: RunStatus })

export const Accepted = Schema.Struct({ accepted: Schema.Boolean })

export const summary = {
  runId: RunId,
  workflow: Schema.String,
  version: Schema.Int,
  status: RunStatus,
  reason: maybe(Schema.String),
  createdAt: Schema.Date,
  endedAt: maybe(Schema.Date)
}

/** A page of runs; with `nextCursor` there may be more. */
export const RunPage = Schema.Struct({
  runs: Schema.Array(Schema.Struct(summary)),
  nextCursor: maybe(Schema.String)
})

const NodeStatus = Schema.Union(Schema.Literal("idle"), FiringStatus)

/** A run with its values and its nodes; `firing`, `attempt` and `crashes` are those of a node's last firing. */
export const Run = Schema.Struct({
  ...summary,
  attributes: maybe(Schema.Record({ key: Schema.String, value: Schema.String })),
  input: Schema.Unknown,
  output: maybe(Schema.Unknown),
  error: maybe(Failure),
  nodes: Schema.Array(
    Schema.Struct({
      nodeId: Schema.String,
      status: NodeStatus,
      firing: Schema.Int,
      attempt: Schema.Int,
      crashes: Schema.Int,
      reason: maybe(Schema.String),
      notBefore: maybe(Schema.Date),
      error: maybe(Failure)
    })
  )
})

/** How a run stands; with its result once it has ended. */
export const Result = Schema.Struct({
  status: RunStatus,
  output: maybe(Schema.Unknown),
  error: maybe(Failure)
})

/** A page of a run's audit trail. */
export const Events = Schema.Struct({
  events: Schema.Array(
    Schema.Struct({
      seq: Schema.String,
      at: Schema.Date,
      kind: Schema.String,
      nodeId: maybe(Schema.String),
      firing: maybe(Schema.Int),
      attempt: maybe(Schema.Int),
      commit: maybe(Schema.Int),
      detail: maybe(Schema.String)
    })
  ),
  nextCursor: maybe(Schema.String)
})
