import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { DatabaseError, UndecodableRow } from "../model/Errors.js"
import type { FiringRow } from "../model/Firing.js"
import type { DefinitionKey, Incarnation } from "../model/Ids.js"
import type { RunRow } from "../model/Run.js"
import type { ClaimedRun, ClaimLook, Claims } from "../store/StateStore.js"
import type { RawRow, Transaction } from "../store/Transactor.js"
import { type ArrayParameter, int4Array, textArray } from "./Arrays.js"
import { run, runExactly } from "./Execution.js"
import { anyFirings, makeOpenFirings, type OpenFirings, openFirings } from "./OpenFirings.js"
import { decodeFiring, decodeGuaranteed, decodeRun, decodeTaken } from "./Rows.js"
import { anyRow, qualifier, type SchemaName, statementsOf } from "./Statement.js"

/** Incarnations that hold runs and are dead or unknown: one index probe for each holder, whatever they hold. */
export const deadHolders = (s: string): string => `
  holders as (
    (select worker from ${s}.run_state where worker is not null order by worker limit 1)
    union all
    select (select r.worker from ${s}.run_state r where r.worker > h.worker order by r.worker limit 1)
    from holders h where h.worker is not null
  ),
  dead as (
    select h.worker from holders h
    where h.worker is not null
      and not exists (select from ${s}.workers w where w.incarnation = h.worker and ${s}.worker_alive(w))
  )`

/**
 * The claimer, if its own lease is valid: a claim that was sent before the database stood still for everybody, and is
 * executed after it, finds no lease valid and must not take that for deaths.
 */
const claimer = (s: string): string => `${s}.workers me where me.incarnation = $1::uuid and ${s}.worker_alive(me)`

const looks = (s: string) => {
  const definitions = "unnest($3::text[], $4::int4[]) d(workflow, workflow_version)"
  const ofDefinition = "r.workflow = d.workflow and r.workflow_version = d.workflow_version"
  return {
    // Each definition is one scan of its own range of the index, in the order wanted; the best of all are taken.
    ready: `
      with found as (
        select f.run_id, f.worker from ${definitions}
        cross join lateral (
          select r.run_id, r.worker, r.priority, r.created_at from ${s}.run_state r
          where ${ofDefinition} and r.worker is null and r.ready
          order by r.priority desc, r.created_at limit $2
          for no key update skip locked
        ) f
        order by f.priority desc, f.created_at limit $2
      )`,
    due: `
      with found as (
        select f.run_id, f.worker, f.due_at from ${definitions}
        cross join lateral (
          select r.run_id, r.worker, r.due_at from ${s}.run_state r
          where ${ofDefinition} and r.worker is null and r.due_at <= ${s}.clock()
          order by r.due_at limit $2
          for no key update skip locked
        ) f
        order by f.due_at limit $2
      )`,
    // Not one's own: a worker whose heartbeat is late still has those in memory.
    orphaned: `
      with recursive ${deadHolders(s)},
      found as (
        select f.run_id, f.worker from dead
        cross join lateral (
          select r.run_id, r.worker from ${s}.run_state r
          where r.worker = dead.worker and r.status <> 'paused'
            and exists (select from ${definitions} where ${ofDefinition})
          limit $2
          for no key update skip locked
        ) f
        where dead.worker <> $1::uuid and ${anyRow(claimer(s))}
        limit $2
      )`,
    named: `
      with found as (
        select r.run_id, r.worker from ${s}.run_state r
        where r.run_id = any($5::text[]) and r.ended_at is null and r.status <> 'parked'
          and r.worker is distinct from $1::uuid and (r.worker is null or ($6::boolean and ${anyRow(claimer(s))}))
          and exists (select from ${definitions} where ${ofDefinition})
          and not exists (select from ${s}.workers w where w.incarnation = r.worker and ${s}.worker_alive(w))
        order by r.run_id limit $2
        for no key update skip locked
      )`,
    own: `
      with found as (
        select r.run_id, r.worker from ${s}.run_state r
        where r.run_id = any($3::text[]) and r.worker = $1::uuid
        order by r.run_id limit $2
        for no key update skip locked
      )`
  }
}

const claimStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  // A run in one of these two statuses was at work when its worker died, even if no firing was written as running yet.
  const take = (order = "priority desc, created_at", due = "") => `,
    taken as (
      update ${s}.run_state r
      set fence = r.fence + 1, worker = $1::uuid, ready = false, due_at = null, updated_at = ${s}.clock(),
        status = case
          when f.worker <> $1::uuid and r.status in ('running', 'recovering') then 'recovering' else r.status
        end
      from found f
      where r.run_id = f.run_id
      returning
        r.run_id as "runId", r.workflow, r.workflow_version as "workflowVersion", r.status, r.version, r.fence, r.worker,
        r.priority, r.reason, r.frontier, f.worker is not null as "held", r.created_at${due}
    )
    select * from taken order by ${order}`
  const { ready, due, orphaned, named, own } = looks(s)
  return {
    Ready: statement("claim.ready", ready + take()),
    Due: statement("claim.due", due + take("due", ", f.due_at as due")),
    Orphaned: statement("claim.orphaned", orphaned + take()),
    Named: statement("claim.named", named + take()),
    Own: statement("claim.own", own + take()),
    recover: statement(
      "claim.recover",
      `
      with written as (
        update ${s}.run_state set status = 'recovering' where run_id = any($1::text[]) returning 1
      )
      select count(*)::int4 as count from written`
    )
  }
}

const lookParameters = (look: ClaimLook): ReadonlyArray<ArrayParameter | boolean> => {
  switch (look._tag) {
    case "Own":
      return [textArray(look.runIds)]
    case "Named":
      return [...definitionArrays(look.definitions), textArray(look.runIds), look.takesOver ?? true]
    default:
      return definitionArrays(look.definitions)
  }
}

/** Definitions as two arrays of one length. */
export const definitionArrays = (definitions: ReadonlyArray<DefinitionKey>): ReadonlyArray<ArrayParameter> => [
  textArray(definitions.map((definition) => definition.workflow)),
  int4Array(definitions.map((definition) => definition.workflowVersion))
]

/** A row just taken, read as far as it can be. */
interface Taken {
  readonly runId: ClaimedRun["row"]["runId"]
  readonly fence: number
  /** A worker held it: one that died, or for `Own` this very one. */
  readonly held: boolean
  readonly row: Either.Either<RunRow, UndecodableRow>
}

/** The verb `claim`. */
export const makeClaim = (schema: SchemaName) => {
  const statements = claimStatements(schema)
  const open = makeOpenFirings(schema)

  const take = (incarnation: Incarnation, look: ClaimLook, limit: number) =>
    Effect.gen(function* () {
      const rows = yield* run(statements[look._tag], [incarnation, limit, ...lookParameters(look)])
      const taken = yield* decodeGuaranteed("claim", decodeTaken, rows)
      const read: Array<Taken> = []
      for (const [index, { fence, held, runId }] of taken.entries()) {
        read.push({ runId, fence, held, row: decodeRun(rows[index] ?? {}) })
      }
      return read
    })

  /** Takes back what was running, counting the deaths of the processes that ran it; gives the rows as they are then. */
  const recount = (
    taken: ReadonlyArray<Taken>,
    why: "crashed" | "interrupted"
  ): Effect.Effect<ReadonlyArray<Taken>, DatabaseError, Transaction> =>
    Effect.gen(function* () {
      const places = taken
        .filter((one) => one.held)
        .flatMap((one) =>
          Either.isRight(one.row) ? openFirings(one.runId, one.row.right.frontier) : [anyFirings(one.runId)]
        )
      if (places.length === 0) return taken
      const stopped = yield* open.stop(why, places)
      const isRecovering = (row: RunRow) =>
        why === "crashed" && stopped.has(row.runId) && (row.status === "pending" || row.status === "suspended")
      const recovering = taken.filter((one) => Either.isRight(one.row) && isRecovering(one.row.right))
      if (recovering.length > 0) {
        yield* runExactly(statements.recover, recovering.length, [textArray(recovering.map((one) => one.runId))])
      }
      return taken.map((one) => ({
        ...one,
        row: Either.map(one.row, (row) => (isRecovering(row) ? { ...row, status: "recovering" as const } : row))
      }))
    })

  return (
    incarnation: Incarnation,
    look: ClaimLook,
    limit: number
  ): Effect.Effect<Claims, DatabaseError, Transaction> =>
    Effect.gen(function* () {
      const found = yield* take(incarnation, look, limit)
      const taken = yield* recount(found, look._tag === "Own" ? "interrupted" : "crashed")
      return assemble(taken, yield* open.read(taken.flatMap(placesOf)))
    })
}

const placesOf = ({ row, runId }: Taken): ReadonlyArray<OpenFirings> =>
  Either.isRight(row) ? openFirings(runId, row.right.frontier) : []

/** Puts rows and firings together; a run with anything that can't be read stands apart and stops nobody. */
const assemble = (taken: ReadonlyArray<Taken>, rows: ReadonlyArray<RawRow>): Claims => {
  const firings = new Map<unknown, Either.Either<Array<FiringRow>, UndecodableRow>>()
  for (const row of rows) {
    const earlier = firings.get(row["runId"]) ?? Either.right([])
    const decoded = decodeFiring(row)
    firings.set(
      row["runId"],
      Either.flatMap(earlier, (list) =>
        Either.map(decoded, (firing) => {
          list.push(bare(firing))
          return list
        })
      )
    )
  }
  const claimed: Array<ClaimedRun> = []
  const undecodable: Array<Claims["undecodable"][number]> = []
  for (const { runId, fence, row } of taken) {
    const complete = Either.flatMap(row, (run) =>
      Either.map(firings.get(runId) ?? Either.right([]), (list) => ({ row: run, firings: list }))
    )
    if (Either.isRight(complete)) claimed.push(complete.right)
    else undecodable.push({ runId, fence, error: complete.left })
  }
  return { claimed, undecodable }
}

/** A firing without the run it is of, each field by its name: see `underFence`. */
const bare = (row: FiringRow): FiringRow => ({
  nodeId: row.nodeId,
  firing: row.firing,
  status: row.status,
  attempt: row.attempt,
  crashes: row.crashes,
  inputs: row.inputs,
  emitted: row.emitted,
  reason: row.reason,
  state: row.state,
  notBefore: row.notBefore,
  deadline: row.deadline,
  startedAt: row.startedAt,
  failure: row.failure
})
