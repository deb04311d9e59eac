import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { DatabaseError } from "../model/Errors.js"
import { RunId } from "../model/Ids.js"
import type { Lease } from "../model/Run.js"
import { type ParkReason, RunStatus } from "../model/Status.js"
import type { ReleaseOutcome } from "../store/StateStore.js"
import type { Statement, Transaction, Writes } from "../store/Transactor.js"
import { boolArray, float8Array, int4Array, textArray } from "./Arrays.js"
import { reasonText, rests } from "./Columns.js"
import { run, runCounted, runExactly, write } from "./Execution.js"
import { anyFirings, makeOpenFirings, openFirings } from "./OpenFirings.js"
import { decodeFrontier, decodeGuaranteed, rowDecoder } from "./Rows.js"
import { anyRow, isNew, qualifier, type SchemaName, statementsOf, unapplied } from "./Statement.js"

type Write<A> = Effect.Effect<A, DatabaseError, Transaction>

/** A run that its holder wants to give up. */
type Release = Lease & {
  readonly version: number
  readonly ready: boolean
  readonly dueAt: number | null
  readonly force: boolean
}

const releaseStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  return {
    // The frontier is asked for only where firings have to be looked for.
    lock: statement(
      "release.lock",
      `
      select
        r.run_id as "runId", r.fence, r.version, r.status,
        case when c.force then r.frontier end as frontier,
        ${anyRow(`${s}.trigger_inputs t where t.run_id = r.run_id and ${unapplied("t")}`)}
          or ${anyRow(`${s}.run_commands m where m.run_id = r.run_id and ${unapplied("m")}`)} as unapplied
      from unnest($1::text[], $2::bool[]) c(run_id, force)
      join ${s}.run_state r on r.run_id = c.run_id
      order by r.run_id
      for no key update of r`
    ),
    // A paused run is not looked for by readiness or time: an operator's command wakes it.
    write: statement(
      "release.write",
      `
      with written as (
        update ${s}.run_state r
        set worker = null, ready = c.ready and r.status <> 'paused',
          due_at = case when r.status <> 'paused' then to_timestamp(c.due_at / 1000.0) end, updated_at = ${s}.clock()
        from unnest($1::text[], $2::bool[], $3::float8[]) c(run_id, ready, due_at)
        where r.run_id = c.run_id
        returning 1
      )
      select count(*)::int4 as count from written`
    )
  }
}

const decodeLocked = rowDecoder(
  "run_state",
  Schema.Struct({
    runId: RunId,
    fence: Schema.Int,
    version: Schema.Int,
    status: RunStatus,
    frontier: Schema.Unknown,
    unapplied: Schema.Boolean
  }),
  ["runId"]
)

/** The verb `release`. */
export const makeRelease = (schema: SchemaName) => {
  const statements = releaseStatements(schema)
  const open = makeOpenFirings(schema)

  const lock = (leases: ReadonlyArray<Release>) =>
    Effect.gen(function* () {
      const rows = yield* run(statements.lock, [
        textArray(leases.map((lease) => lease.runId)),
        boolArray(leases.map((lease) => lease.force))
      ])
      const locked = yield* decodeGuaranteed("release", decodeLocked, rows)
      return new Map(locked.map((row) => [row.runId, row]))
    })

  const write = (leases: ReadonlyArray<Release>, interrupted: ReadonlySet<string>): Write<void> =>
    leases.length === 0
      ? Effect.void
      : runExactly(statements.write, leases.length, [
          textArray(leases.map((lease) => lease.runId)),
          boolArray(leases.map((lease) => lease.ready || interrupted.has(lease.runId))),
          float8Array(leases.map((lease) => lease.dueAt))
        ])

  return (leases: ReadonlyArray<Release>): Write<ReadonlyArray<ReleaseOutcome>> =>
    Effect.gen(function* () {
      if (leases.length === 0) return []
      const locked = yield* lock(leases)
      const outcomes = leases.map((lease): ReleaseOutcome => {
        const row = locked.get(lease.runId)
        if (row === undefined || row.fence !== lease.fence || row.version !== lease.version) return "Stale"
        return row.unapplied && !lease.force && !rests(row.status) ? "Pending" : "Released"
      })
      const released = leases.filter((lease, index) => {
        const row = locked.get(lease.runId)
        // The lease of a run that rests has ended with the commit that brought it to rest.
        return outcomes[index] === "Released" && row !== undefined && !rests(row.status)
      })
      const places = released
        .filter((lease) => lease.force)
        .flatMap((lease) => placesOf(lease.runId, locked.get(lease.runId)?.frontier))
      const interrupted = places.length === 0 ? new Set<string>() : yield* open.stop("interrupted", places)
      yield* write(released, interrupted)
      return outcomes
    })
}

/** Where open firings are: by the frontier, or anywhere in the run if it can't be read. */
export const placesOf = (runId: string, frontier: unknown) =>
  Either.match(decodeFrontier({ runId, frontier }), {
    onLeft: () => [anyFirings(runId)],
    onRight: (row) => openFirings(runId, row.frontier)
  })

const parkStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  return {
    park: statement(
      "park",
      `
      update ${s}.run_state r
      set status = 'parked', reason = c.reason, worker = null, ready = false, due_at = null, updated_at = ${s}.clock()
      from unnest($1::text[], $2::int4[], $3::text[]) c(run_id, fence, reason)
      where r.run_id = c.run_id and r.fence = c.fence and r.ended_at is null
      returning r.run_id as "runId"`
    )
  }
}

/** Moves what is unapplied of runs to `held`, or back to `new`; a cancel is not held, nor is a retry: they move a parked run too. */
export const makeHold = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  const move = (table: string, which: string, to: string) =>
    statement(
      `hold.${table}.${to}`,
      `
      with moved as (
        update ${s}.${table} t set status = '${to}'
        where t.run_id = any($1::text[]) and ${which}${table === "run_commands" ? " and kind not in ('cancel', 'retry')" : ""}
        returning 1
      )
      select count(*)::int4 as count from moved`
    )
  const moves = (which: string, to: string) => [move("trigger_inputs", which, to), move("run_commands", which, to)]
  const counted =
    (statements: ReadonlyArray<Statement>) =>
    (runIds: ReadonlyArray<string>): Write<number> =>
      runIds.length === 0
        ? Effect.succeed(0)
        : Effect.reduce(statements, 0, (sum, one) =>
            Effect.map(runCounted(one, [textArray(runIds)]), (count) => sum + count)
          )
  const hold = moves(isNew("t"), "held")
  return {
    hold: counted(hold),
    /** The same where nobody counts. */
    holdAll: (runIds: ReadonlyArray<string>): Writes =>
      runIds.length === 0 ? [] : hold.map((one) => write(one, [textArray(runIds)])),
    unhold: counted(moves("t.status = 'held'", "new"))
  }
}

/** How a parked run says why. */
export const parkText = (reason: ParkReason, detail: string): string => reasonText(`${reason}: ${detail}`) ?? reason

/** The verb `park`. */
export const makePark = (schema: SchemaName) => {
  const statements = parkStatements(schema)
  const { hold } = makeHold(schema)
  return (runs: ReadonlyArray<Lease & { readonly reason: ParkReason; readonly detail: string }>): Write<number> =>
    Effect.gen(function* () {
      if (runs.length === 0) return 0
      // in the order in which everybody locks runs
      const sorted = [...runs].sort((a, b) => (a.runId < b.runId ? -1 : 1))
      const rows = yield* run(statements.park, [
        textArray(sorted.map((one) => one.runId)),
        int4Array(sorted.map((one) => one.fence)),
        textArray(sorted.map((one) => parkText(one.reason, one.detail)))
      ])
      yield* hold(rows.map((row) => String(row["runId"])))
      return rows.length
    })
}
