import * as Effect from "effect/Effect"
import type { DatabaseError } from "../model/Errors.js"
import type { Frontier } from "../model/Frontier.js"
import type { RawRow, Transaction } from "../store/Transactor.js"
import { columnsOf, int4Column, textArray, textColumn } from "./Arrays.js"
import { run } from "./Execution.js"
import { decodeGuaranteed, decodeRunId } from "./Rows.js"
import { qualifier, type SchemaName, statementsOf } from "./Statement.js"

/**
 * The firings of a node from one number on: where a run's open firings are, found by the primary key.
 *
 * **Details** `nodeId` null stands for the whole run, for a run whose frontier can't be read.
 */
export interface OpenFirings {
  readonly runId: string
  readonly nodeId: string | null
  readonly low: number
}

/** Where the firings of a run that have not ended are, by its frontier. */
export const openFirings = (runId: string, frontier: Frontier): ReadonlyArray<OpenFirings> => {
  const open: Array<OpenFirings> = []
  for (const [nodeId, { low, next }] of Object.entries(frontier.nodes)) {
    if (low < next) open.push({ runId, nodeId, low })
  }
  return open
}

/** Everything of a run. */
export const anyFirings = (runId: string): OpenFirings => ({ runId, nodeId: null, low: 1 })

/** The columns of a firing as its schema reads them. */
export const firingColumns = (alias: string): string => `
  ${alias}.run_id as "runId", ${alias}.node_id as "nodeId", ${alias}.firing, ${alias}.status, ${alias}.attempt,
  ${alias}.crashes, ${alias}.inputs, ${alias}.emitted, ${alias}.reason, ${alias}.state,
  (extract(epoch from ${alias}.not_before) * 1000)::float8 as "notBefore",
  (extract(epoch from ${alias}.started_at) * 1000)::float8 as "startedAt",
  (extract(epoch from ${alias}.deadline) * 1000)::float8 as "deadline", ${alias}.failure`

const statementsFor = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  const stop = (places: string, where: string, crashes: number) => `
    with stopped as (
      update ${s}.run_node_state n set status = 'scheduled', crashes = n.crashes + ${crashes}
      from ${places}
      where n.run_id = o.run_id${where} and n.status = 'running'
      returning n.run_id
    )
    select distinct run_id as "runId" from stopped`
  // What only the frontier told of gets its row now.
  const record = (crashes: number) => `
    with stopped as (
      insert into ${s}.run_node_state (
        run_id, node_id, firing, status, attempt, crashes, inputs, opened_in, written_in, started_at
      )
      select f.run_id, f.node_id, f.firing, 'scheduled', f.attempt, ${crashes}, f.inputs, f.opened_in, f.written_in, f.started_at
      from ${s}.started_firings f where f.run_id = any($1::text[])
      returning run_id
    )
    select distinct run_id as "runId" from stopped`
  const perNode = "unnest($1::text[], $2::text[], $3::int4[]) o(run_id, node_id, low)"
  const ofNode = " and n.node_id = o.node_id and n.firing >= o.low"
  return {
    read: statement(
      "open.read",
      `
      select ${firingColumns("n")}
      from ${perNode} join ${s}.run_node_state n on n.run_id = o.run_id${ofNode}
      order by n.run_id, n.node_id, n.firing`
    ),
    crashed: statement("open.crashed", stop(perNode, ofNode, 1)),
    crashedRowless: statement("open.crashedRowless", record(1)),
    interruptedRowless: statement("open.interruptedRowless", record(0)),
    crashedAnywhere: statement("open.crashedAnywhere", stop("unnest($1::text[]) o(run_id)", "", 1)),
    interrupted: statement("open.interrupted", stop(perNode, ofNode, 0)),
    interruptedAnywhere: statement("open.interruptedAnywhere", stop("unnest($1::text[]) o(run_id)", "", 0))
  }
}

/** What became of `running` firings: their process died, which is counted, or it gave them up in order. */
type Stopped = "crashed" | "interrupted"

const parameters = columnsOf<OpenFirings>(
  textColumn((place) => place.runId),
  textColumn((place) => place.nodeId),
  int4Column((place) => place.low)
)

/** Reads open firings, and takes those that were `running` back to `scheduled`. */
export const makeOpenFirings = (schema: SchemaName) => {
  const statements = statementsFor(schema)

  /** In order of run, node and firing. */
  const read = (
    places: ReadonlyArray<OpenFirings>
  ): Effect.Effect<ReadonlyArray<RawRow>, DatabaseError, Transaction> =>
    places.length === 0 ? Effect.succeed([]) : run(statements.read, parameters(places))

  /** Gives the runs that had a `running` firing. */
  const stop = (
    why: Stopped,
    places: ReadonlyArray<OpenFirings>
  ): Effect.Effect<ReadonlySet<string>, DatabaseError, Transaction> =>
    Effect.gen(function* () {
      const exact = places.filter((place) => place.nodeId !== null)
      const whole = places.filter((place) => place.nodeId === null).map((place) => place.runId)
      const [byNode, anywhere, rowless] =
        why === "crashed"
          ? [statements.crashed, statements.crashedAnywhere, statements.crashedRowless]
          : [statements.interrupted, statements.interruptedAnywhere, statements.interruptedRowless]
      const rows = [
        ...(exact.length === 0 ? [] : yield* run(byNode, parameters(exact))),
        ...(whole.length === 0 ? [] : yield* run(anywhere, [textArray(whole)])),
        ...(yield* run(rowless, [textArray([...new Set(places.map((place) => place.runId))])]))
      ]
      return new Set((yield* decodeGuaranteed(why, decodeRunId, rows)).map((row) => row.runId))
    })

  return { read, stop }
}
