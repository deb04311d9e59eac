import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Incarnation } from "../model/Ids.js"
import { toColumnText } from "../model/Json.js"
import { type Standing, type StoredDefinition, Workers } from "../store/Workers.js"
import { textArray } from "./Arrays.js"
import { definitionArrays } from "./Claims.js"
import { run, runCounted } from "./Execution.js"
import { decodeAll, decodeDefinition, decodeGuaranteed, decodeWorker, rowDecoder } from "./Rows.js"
import { defaultSchema, qualifier, type SchemaName, statementsOf } from "./Statement.js"

/**
 * Whether a worker's session does not hold its lock, though it has one, and no restart of the server excuses that.
 *
 * **Details** Reading the locks takes none. An advisory lock of one key stands there in two halves.
 */
export const sessionGone = (s: string, worker: string): string => `
  ${worker}.session is not null and ${worker}.session <> all (array(
    select (l.classid::int8 << 32) | l.objid::int8 from pg_catalog.pg_locks l
    where l.locktype = 'advisory' and l.objsubid = 1 and l.granted
      and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
  )) and not ${s}.worker_excused(${worker})`

const deathStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  return {
    rivals: statement(
      "workers.rivals",
      `
      select w.incarnation, w.heartbeat_at::text as heartbeat, w.process, ${sessionGone(s, "w")} as gone
      from ${s}.workers w
      where w.stopped_at is null and w.session is not null and w.incarnation <> $1::uuid`
    ),
    declareDead: statement(
      "workers.declareDead",
      `
      with dead as (
        update ${s}.workers w set stopped_at = ${s}.clock()
        from unnest($1::text[], $2::text[]) d(incarnation, heartbeat)
        where w.incarnation = d.incarnation::uuid and w.heartbeat_at = d.heartbeat::timestamptz and w.stopped_at is null
        returning 1
      )
      select count(*)::int4 as count from dead`
    )
  }
}

const livesStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  return {
    ...deathStatements(schema),
    // Again after a lost acknowledgement is the same as once.
    register: statement(
      "workers.register",
      `
      insert into ${s}.workers (incarnation, worker_id, lease_ms, process) values ($1::uuid, $2, $3::int4, $4)
      on conflict (incarnation) do update set heartbeat_at = ${s}.clock()`
    ),
    stopOthers: statement(
      "workers.stopOthers",
      `update ${s}.workers set stopped_at = ${s}.clock() where incarnation <> $1::uuid and stopped_at is null`
    ),
    // Definitions are shared by all workers: their row is moved by whoever comes first, and seldom.
    heartbeat: statement(
      "workers.heartbeat",
      `
      with beat as (
        update ${s}.workers
        set heartbeat_at = ${s}.clock(), session = $4::int8, room = $5::int4,
          serves = array(select w || '@' || v from unnest($2::text[], $3::int4[]) d(w, v))
        where incarnation = $1::uuid and stopped_at is null
        returning 1
      ),
      stale as (
        select d.workflow, d.workflow_version
        from unnest($2::text[], $3::int4[]) c(workflow, workflow_version)
        join ${s}.definitions d on d.workflow = c.workflow and d.workflow_version = c.workflow_version
        where d.served_at < ${s}.clock() - interval '5 seconds' and exists (select from beat)
        for no key update of d skip locked
      ),
      served as (
        update ${s}.definitions d set served_at = ${s}.clock() from stale
        where d.workflow = stale.workflow and d.workflow_version = stale.workflow_version
      )
      select count(*)::int4 as count from beat`
    ),
    leave: statement(
      "workers.leave",
      `update ${s}.workers set stopped_at = ${s}.clock() where incarnation = $1::uuid and stopped_at is null`
    ),
    list: statement(
      "workers.list",
      `
      select
        w.incarnation, w.worker_id as "workerId", (extract(epoch from w.started_at) * 1000)::float8 as "startedAt",
        (extract(epoch from w.heartbeat_at) * 1000)::float8 as "heartbeatAt", ${s}.worker_alive(w) as alive
      from ${s}.workers w order by w.started_at, w.incarnation`
    ),
    cleanup: statement(
      "workers.cleanup",
      `
      with gone as (
        delete from ${s}.workers w
        where not ${s}.worker_alive(w) and not exists (select from ${s}.run_state r where r.worker = w.incarnation)
        returning 1
      )
      select count(*)::int4 as count from gone`
    ),
    clock: statement("workers.clock", `select (extract(epoch from ${s}.clock()) * 1000)::float8 as now`)
  }
}

const definitionStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  return {
    insert: statement(
      "definitions.insert",
      `
      insert into ${s}.definitions (workflow, workflow_version, hash, graph)
      select * from unnest($1::text[], $2::int4[], $3::text[], $4::text[])
      order by 1, 2
      on conflict do nothing`
    ),
    read: statement(
      "definitions.read",
      `
      select d.workflow, d.workflow_version as "workflowVersion", d.hash, d.graph
      from unnest($1::text[], $2::int4[]) with ordinality c(workflow, workflow_version, place)
      join ${s}.definitions d on d.workflow = c.workflow and d.workflow_version = c.workflow_version
      order by c.place`
    )
  }
}

/** A worker that says nothing of itself. */
const silent: Standing = { session: null, room: 0 }

const decodeRival = rowDecoder(
  "workers",
  Schema.Struct({
    incarnation: Incarnation,
    heartbeat: Schema.String,
    process: Schema.NullOr(Schema.String),
    gone: Schema.Boolean
  }),
  ["incarnation"]
)

const decodeNow = rowDecoder("clock", Schema.Struct({ now: Schema.Number }), [])

const make = (schema: SchemaName, exclusive: boolean) => {
  const lives = livesStatements(schema)
  const definitions = definitionStatements(schema)
  return Workers.of({
    exclusive,
    register: (worker) =>
      run(lives.register, [worker.incarnation, toColumnText(worker.workerId), worker.leaseMs, worker.process]).pipe(
        Effect.zipRight(worker.exclusive ? run(lives.stopOthers, [worker.incarnation]) : Effect.void),
        Effect.asVoid
      ),
    heartbeat: (incarnation, served, standing = silent) =>
      Effect.map(
        runCounted(lives.heartbeat, [incarnation, ...definitionArrays(served), standing.session, standing.room]),
        (count) => count === 1
      ),
    rivals: (me) => Effect.flatMap(run(lives.rivals, [me]), (rows) => decodeGuaranteed("rivals", decodeRival, rows)),
    declareDead: (rivals) =>
      rivals.length === 0
        ? Effect.succeed(0)
        : runCounted(lives.declareDead, [
            textArray(rivals.map(({ incarnation }) => incarnation)),
            textArray(rivals.map(({ heartbeat }) => heartbeat))
          ]),
    clock: run(lives.clock, []).pipe(
      Effect.flatMap((rows) => decodeGuaranteed("clock", decodeNow, rows)),
      Effect.map(([row]) => row?.now ?? 0)
    ),
    leave: (incarnation) => Effect.asVoid(run(lives.leave, [incarnation])),
    define: (stored: ReadonlyArray<StoredDefinition>) =>
      run(definitions.insert, [
        ...definitionArrays(stored),
        textArray(stored.map((definition) => definition.hash)),
        textArray(stored.map((definition) => definition.graph))
      ]).pipe(
        Effect.zipRight(run(definitions.read, definitionArrays(stored))),
        Effect.flatMap((rows) => decodeAll(decodeDefinition, rows))
      ),
    list: Effect.flatMap(run(lives.list, []), (rows) => decodeAll(decodeWorker, rows)),
    cleanup: runCounted(lives.cleanup, [])
  })
}

/** Who is alive and what it can execute, in PostgreSQL. */
export const layer = (schema: SchemaName = defaultSchema, exclusive = false): Layer.Layer<Workers> =>
  Layer.sync(Workers, () => make(schema, exclusive))
