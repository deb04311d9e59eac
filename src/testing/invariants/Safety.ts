/** One invariant: its name and a query over the facts that gives a row (`run_id`, `detail`) for each violation. */
export interface Invariant {
  readonly name: string
  readonly query: (schema: string) => string
}

const open = "('scheduled', 'running', 'suspended')"
const ended = "('completed', 'failed', 'cancelled', 'compensated')"

/** What must hold at any time, in the middle of anything. */
export const safety: ReadonlyArray<Invariant> = [
  {
    name: "S2_taken_twice",
    query: () => `
      select run_id, node_id || '.' || handle || ' took ' || producer || '/' || from_firing || '/' || from_ordinal
        || ' in firings ' || string_agg(firing::text, ', ') as detail
      from taken where mode in ('one', 'unordered') and producer is not null
      group by run_id, node_id, handle, producer, from_firing, from_ordinal having count(*) > 1`
  },
  {
    name: "S2_took_nothing",
    query: () => `
      select t.run_id, t.node_id || '/' || t.firing || '.' || t.handle || ' took ' || t.producer || '/' || t.from_firing
        || '/' || t.from_ordinal || ', which is ' || case when m.run_id is null then 'not there' else 'discarded' end
      from taken t
      join kept k on k.run_id = t.run_id
      left join messages m on m.run_id = t.run_id and m.node_id = t.node_id and m.handle = t.handle
        and m.producer = t.producer and m.firing = t.from_firing and m.ordinal = t.from_ordinal
      where t.producer is not null and (m.run_id is null or (m.discarded and t.mode <> 'shared'))`
  },
  {
    name: "S2_left_over",
    query: () => `
      select m.run_id, m.node_id || '.' || m.handle || ' holds ' || m.producer || '/' || m.firing || '/' || m.ordinal
      from messages m
      join handles h on h.workflow = m.workflow and h.workflow_version = m.workflow_version
        and h.node_id = m.node_id and h.handle = m.handle
      where m.status = 'completed' and not m.discarded and h.mode in ('one', 'unordered')
        and not exists (
          select from taken t where t.run_id = m.run_id and t.node_id = m.node_id and t.handle = m.handle
            and t.producer = m.producer and t.from_firing = m.firing and t.from_ordinal = m.ordinal
        )`
  },
  {
    name: "S2_stream",
    query: () => `
      select m.run_id, m.node_id || '.' || m.handle || ' holds ' || m.producer || '/' || m.firing || '/' || m.ordinal
        || case when m.discarded then ', which was read, and is discarded' else ', which nobody has read' end
      from messages m
      join handles h on h.workflow = m.workflow and h.workflow_version = m.workflow_version
        and h.node_id = m.node_id and h.handle = m.handle
      left join firings f on f.run_id = m.run_id and f.node_id = m.node_id
      cross join lateral (select f.inputs->m.handle->'read'->m.producer as at) read
      where m.status = 'completed' and m.tombstone is null and h.mode = 'stream'
        and coalesce((m.firing, m.ordinal) < ((read.at->>0)::int4, (read.at->>1)::int4), false) = m.discarded`
  },
  {
    name: "S2_all",
    query: () => `
      select t.run_id, t.node_id || '.' || t.handle || ' took ' || t.count || ' of ' || count(m.run_id)
      from taken t
      join kept k on k.run_id = t.run_id
      left join messages m on m.run_id = t.run_id and m.node_id = t.node_id and m.handle = t.handle and not m.discarded
      where t.mode = 'all'
      group by t.run_id, t.node_id, t.firing, t.handle, t.count having count(m.run_id) <> t.count`
  },
  {
    name: "S3_lost",
    query: () => `
      select e.run_id, e.node_id || '.' || e.handle || ' lacks ' || e.producer || '/' || e.firing || '/' || e.ordinal
        || coalesce(' ' || e.tombstone, '')
      from expected e join kept k on k.run_id = e.run_id
      where not exists (
        select from messages m where m.run_id = e.run_id and m.node_id = e.node_id and m.handle = e.handle
          and m.producer = e.producer and m.firing = e.firing and m.ordinal = e.ordinal
          and (m.trimmed or m.tombstone is not distinct from e.tombstone)
      )`
  },
  {
    name: "S3_invented",
    query: () => `
      select m.run_id, m.node_id || '.' || m.handle || ' has ' || m.producer || '/' || m.firing || '/' || m.ordinal
        || coalesce(' ' || m.tombstone, '')
      from messages m
      where m.handle not in ('$external', '$compensate')
        -- Started by a name that no worker of this database has had: there is no graph to compare with.
        and exists (select from defs d where d.workflow = m.workflow and d.workflow_version = m.workflow_version)
        and not exists (
        select from expected e where e.run_id = m.run_id and e.node_id = m.node_id and e.handle = m.handle
          and e.producer = m.producer and e.firing = m.firing and e.ordinal = m.ordinal
          and (m.trimmed or e.tombstone is not distinct from m.tombstone)
      )
        -- A stream gives while its firing runs.
        and (m.run_id, m.producer, m.firing) not in (
        select f.run_id, f.node_id || '.' || p.port, f.firing from firings f
        join ports p on p.workflow = f.workflow and p.workflow_version = f.workflow_version and p.node_id = f.node_id
        where p.mode = 'many' and f.status <> 'completed'
      )`
  },
  {
    name: "S4_gap",
    query: () => `
      select run_id, node_id || '.' || handle || ' from ' || producer || '/' || firing || ' has ' || count(*)
        || ' messages up to ordinal ' || max(ordinal) as detail
      from messages group by run_id, node_id, handle, producer, firing having count(*) <> max(ordinal) + 1
      union all
      select run_id, node_id || ' has ' || count(*) || ' firings up to ' || max(firing)
      from firings group by run_id, node_id having count(*) <> max(firing)
      union all
      select m.run_id, m.node_id || ' has ' || count(*) || ' events up to ' || max(m.firing)
      from messages m where m.handle = '$external'
      group by m.run_id, m.node_id having count(*) <> max(m.firing)`
  },
  {
    name: "S5_numbers",
    query: (s) => `
      select f.run_id, f.node_id || '/' || f.firing || ' was written in ' || f.opened_in || '..' || f.written_in
        || ' of ' || r.version as detail
      from firings f join runs r on r.run_id = f.run_id where f.written_in > r.version or f.opened_in > f.written_in
      union all
      select r.run_id, 'leased to a worker nobody knows' from runs r
      where r.worker is not null and not exists (select from ${s}.workers w where w.incarnation = r.worker)`
  },
  {
    name: "S6_ended_leased",
    query: () => `
      select run_id, status as detail from runs
      where status in ${ended} and (worker is not null or ready or due_at is not null)`
  },
  {
    name: "S7_applied",
    query: (s) => `
      select coalesce(i.run_id, m.run_id), coalesce(i.node_id, m.node_id) || ' has ' || coalesce(i.count, 0)
        || ' applied inputs and ' || coalesce(m.count, 0) || ' events' as detail
      from (
        select u.run_id, u.node_id, sum(u.count) as count from (
          select t.run_id, t.node_id, 1 as count from ${s}.trigger_inputs t join kept k on k.run_id = t.run_id
          where t.status = 'applied' and t.signal is null
          union all select t.run_id, t.node_id, t.events from trims t where t.events > 0
        ) u group by 1, 2
      ) i
      full join (
        select run_id, node_id, count(*) from messages where handle = '$external' group by 1, 2
      ) m on m.run_id = i.run_id and m.node_id = i.node_id
      where coalesce(i.count, 0) <> coalesce(m.count, 0)`
  },
  {
    name: "S8_ended_open",
    query: () => `
      select r.run_id, f.node_id || '/' || f.firing || ' is ' || f.status as detail
      from runs r join firings f on f.run_id = r.run_id
      where r.status in ${ended} and f.status in ${open}`
  },
  {
    name: "S11_compensated",
    query: (s) => `
      select m.run_id, 'what firing ' || m.firing || ' of the list did was not undone' as detail
      from messages m
      where m.handle = '$compensate' and m.status = 'compensated' and not exists (
        select from firings f where f.run_id = m.run_id and f.node_id = '$compensate' and f.status = 'completed'
          and (f.inputs->'$compensate'->'ref'->>1)::int4 = m.firing
      )
      union all
      select f.run_id, f.node_id || '/' || f.firing || ' has committed and left nothing to undo it'
      from firings f
      join nodes n on n.workflow = f.workflow and n.workflow_version = f.workflow_version and n.node_id = f.node_id
      join kept k on k.run_id = f.run_id
      where f.status = 'completed' and (n.n->>'compensates')::boolean and not exists (
        select from ${s}.run_inbox_messages m where m.run_id = f.run_id and m.node_id = '$compensate'
          and m.payload::jsonb->>'node' = f.node_id and (m.payload::jsonb->>'firing')::int4 = f.firing
          and m.payload::jsonb->'outputs' <> 'null'
      )
      union all
      select f.run_id, f.node_id || '/' || f.firing || ' was undone ' || count(*) || ' times'
      from firings f where f.node_id = '$compensate'
      group by f.run_id, f.node_id, f.firing, f.inputs->'$compensate' having count(*) > 1
      union all
      select r.run_id, 'undoes its work while ' || f.node_id || '/' || f.firing || ' is ' || f.status
      from firings u
      join runs r on r.run_id = u.run_id
      join firings f on f.run_id = u.run_id and f.node_id <> '$compensate' and f.status in ${open}
      where u.node_id = '$compensate'`
  },
  {
    name: "frontier",
    query: () => `
      select r.run_id, n.key || ' says ' || n.value::text || ', rows say next ' || coalesce(max(f.firing), 0) + 1
        || ', low ' || coalesce(min(f.firing) filter (where f.status in ${open}), coalesce(max(f.firing), 0) + 1) as detail
      from runs r cross join jsonb_each(r.frontier->'nodes') n
      left join firings f on f.run_id = r.run_id and f.node_id = n.key
      where r.ended_at is null
      group by r.run_id, n.key, n.value
      having (n.value->>'next')::int4 <> coalesce(max(f.firing), 0) + 1
        or (n.value->>'low')::int4
          <> coalesce(min(f.firing) filter (where f.status in ${open}), coalesce(max(f.firing), 0) + 1)
      union all
      select r.run_id, f.node_id || '/' || f.firing || ' is ' || f.status || ', the frontier does not know it'
      from runs r join firings f on f.run_id = r.run_id
      where r.ended_at is null and f.status in ${open} and not r.frontier->'nodes' ? f.node_id`
  }
]

/** What must hold once the world is at rest and every fault has healed. */
export const liveness: ReadonlyArray<Invariant> = [
  {
    name: "L1_stuck",
    query: () => `
      select r.run_id, r.status || ' with nothing to wait for' as detail from runs r
      where r.ended_at is null and not (
        (r.status = 'parked' and r.reason is not null) or r.status = 'paused'
        or (r.status = 'compensating' and r.due_at is not null)
        or (r.status = 'suspended' and r.due_at is not null)
        or (r.status = 'suspended' and exists (
          select from firings f where f.run_id = r.run_id and (f.status = 'suspended' or f.not_before is not null)
        ))
      )`
  },
  {
    name: "L2_satisfied",
    query: () => `
      select f.run_id, f.node_id || '/' || f.firing || ' waits for an event that is there' as detail
      from firings f
      join messages m on m.run_id = f.run_id and m.node_id = f.node_id and m.handle = '$external' and not m.discarded
      join runs r on r.run_id = f.run_id
      join handles h on h.workflow = f.workflow and h.workflow_version = f.workflow_version
        and h.node_id = f.node_id and h.handle = '$external'
      where f.status = 'suspended' and r.status = 'suspended'
        and (h.mode = 'one' or f.stateful) and not coalesce(f.inputs->'$external' ? 'ref', false)
        and m.firing > coalesce((
          select max(coalesce(t.from_firing, t.count)) from taken t
          where t.run_id = f.run_id and t.node_id = f.node_id and t.handle = '$external'
        ), 0)`
  },
  {
    name: "L3_stranded",
    query: (s) => `
      select r.run_id, r.status || ' and nobody will look for it' as detail
      from runs r
      where r.ended_at is null and r.status not in ('parked', 'paused')
        and not exists (select from ${s}.workers w where w.incarnation = r.worker and ${s}.worker_alive(w))
        and (
          r.worker is not null
          or exists (
            select from firings f where f.run_id = r.run_id and f.not_before is not null
              and (r.due_at is null or r.due_at > f.not_before)
          )
          or (not r.ready and r.status <> 'suspended' and not (r.status = 'compensating' and r.due_at is not null))
        )`
  },
  {
    name: "L4_unapplied",
    query: (s) => `
      select t.run_id, 'input ' || t.input_id || ' for ' || t.node_id || ' is still ' || t.status as detail
      from ${s}.trigger_inputs t join runs r on r.run_id = t.run_id
      where t.status = 'new' or (t.status = 'held' and r.status <> 'parked')
      union all
      select c.run_id, 'command ' || c.kind || ' is still ' || c.status
      from ${s}.run_commands c join runs r on r.run_id = c.run_id
      where c.status = 'new' or (c.status = 'held' and r.status <> 'parked')`
  }
]
