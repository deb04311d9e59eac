import { millis, summaryColumns } from "./RunColumns.js"
import { qualifier, type SchemaName, statementsOf } from "./Statement.js"

/** Events in one row of the audit log at most; its number and an event's place in it make the event's number. */
const eventsPerRow = 4_096

/** Counting ends here. */
const most = 10_000

/** What of each definition nobody holds though it could go on, in the order of the index that finds it. */
const late = (s: string, condition: string, order: string): string => `
  select r.run_id from ${s}.definitions d cross join lateral (
    select r.run_id from ${s}.run_state r
    where r.workflow = d.workflow and r.workflow_version = d.workflow_version and r.worker is null and ${condition}
    order by ${order} limit $2::int4
  ) r limit $2::int4`

const eventColumns = `
  (e.seq * ${eventsPerRow} + x.place)::text as seq, e.run_id as "runId", x.event ->> 'kind' as kind,
  x.event ->> 'nodeId' as "nodeId", (x.event ->> 'firing')::int4 as firing, (x.event ->> 'attempt')::int4 as attempt,
  (x.event ->> 'version')::int4 as version, (x.event ->> 'at')::float8 as at, x.event ->> 'detail' as detail`

const logStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  return {
    last: statement("overview.last", `select coalesce(max(seq), 0)::text as last from ${s}.run_events`),
    recent: statement(
      "overview.recent",
      `
      select e.seq::text as row,${eventColumns}
      from (
        select * from ${s}.run_events e where e.seq > $1::int8 order by e.seq limit $2::int4
      ) e
      left join lateral json_array_elements(e.events) with ordinality x(event, place)
        on x.event ->> 'kind' like 'run.%'
      order by e.seq, x.place`
    ),
    watchedEvents: statement(
      "overview.watchedEvents",
      `
      select w.watch::int4 as watch, f.*
      from unnest($1::text[], $2::int8[]) with ordinality w(run_id, after, watch)
      cross join lateral (
        select ${eventColumns}
        from ${s}.run_events e cross join lateral json_array_elements(e.events) with ordinality x(event, place)
        where e.run_id = w.run_id and e.seq >= w.after / ${eventsPerRow} and e.seq * ${eventsPerRow} + x.place > w.after
        order by e.seq, x.place limit $3::int4
      ) f`
    ),
    watchedStatus: statement(
      "overview.watchedStatus",
      `
      select w.watch::int4 as watch, f.* from unnest($1::text[]) with ordinality w(run_id, watch)
      cross join lateral (
        select ${summaryColumns(s)} from ${s}.run_state r where r.run_id = w.run_id
      ) f`
    )
  }
}

const troubleStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  const ago = `${s}.clock() - make_interval(secs => $1::float8 / 1000.0)`
  const count = (from: string) => `(select count(*)::int4 from (select from ${from} limit ${most}) c)`
  const unheld = `${s}.definitions d join ${s}.run_state r
      on r.workflow = d.workflow and r.workflow_version = d.workflow_version and r.worker is null`
  return {
    troubled: statement(
      "overview.troubled",
      `
      select ${summaryColumns(s)} from (
        (
          select r.run_id from ${s}.run_state r where r.status = 'parked'
          order by r.created_at desc, r.run_id desc limit $2::int4
        )
        union (${late(s, `r.ready and r.updated_at < ${ago}`, "r.priority desc, r.created_at")})
        union (${late(s, `r.due_at < ${ago}`, "r.due_at")})
        union (
          select f.run_id from ${s}.workers w cross join lateral (
            select r.run_id from ${s}.run_state r where r.worker = w.incarnation limit $2::int4
          ) f
          where not ${s}.worker_alive(w) and w.heartbeat_at < ${ago} limit $2::int4
        )
      ) f
      join ${s}.run_state r on r.run_id = f.run_id
      order by r.created_at desc, r.run_id desc`
    ),
    backlog: statement(
      "overview.backlog",
      `
      select
        ${count(`${unheld} and r.ready`)} as ready,
        ${count(`${unheld} and r.due_at <= ${s}.clock()`)} as due,
        ${count(`${s}.trigger_inputs t where t.status = 'new'`)} as inputs,
        ${count(`${s}.run_commands m where m.status = 'new'`)} as commands,
        ${count(`${s}.run_state r where r.status = 'parked'`)} as parked,
        ${count(`${s}.workers w join ${s}.run_state r on r.worker = w.incarnation where not ${s}.worker_alive(w)`)}
          as orphaned`
    )
  }
}

/** The statements behind what operators ask. */
export const makeOverviewStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  return {
    ...logStatements(schema),
    ...troubleStatements(schema),
    attributes: statement(
      "overview.attributes",
      `select a.name, a.value from ${s}.run_attributes a where a.run_id = $1 order by a.name`
    ),
    workers: statement(
      "overview.workers",
      `
      select
        w.incarnation, w.worker_id as "workerId", ${millis("w.started_at")} as "startedAt",
        ${millis("w.heartbeat_at")} as "heartbeatAt", ${s}.worker_alive(w) as alive,
        w.session is not null as "hasSession", w.room, to_json(w.serves) as serves,
        (select count(*)::int4 from (select from ${s}.run_state r where r.worker = w.incarnation limit ${most}) c) as runs
      from ${s}.workers w order by w.started_at desc, w.incarnation limit 1000`
    ),
    database: statement(
      "overview.database",
      `
      select
        current_setting('server_version') as version, current_setting('server_version_num')::int4 as "versionNumber",
        current_setting('fsync') as fsync, current_setting('synchronous_commit') as "synchronousCommit",
        coalesce((select name from ${s}.schema_migrations order by id desc limit 1), 'none') as migration`
    )
  }
}
