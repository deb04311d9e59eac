/**
 * What the rows say, spelled out: the ground on which the invariants stand.
 *
 * **Details** `runs` have their graph; `edges` are the wires of a definition; `expected` are the messages that committed
 * firings must have left, edge by edge; `taken` is which firing took which message. `messages` are those that retention has taken
 * from runs that live, too: what the firings say that took them. Runs whose messages were cleaned up
 * are not in `kept`.
 */
export const facts = (s: string): string => `${definitions(s)},${rows(s)},${emitted}`

/** The graphs, taken apart. */
const definitions = (s: string): string => `
  defs as materialized (
    select workflow, workflow_version, graph::jsonb as g from ${s}.definitions
  ),
  nodes as materialized (
    select d.workflow, d.workflow_version, n.value as n, n.value->>'id' as node_id, n.ordinality as place
    from defs d cross join jsonb_array_elements(d.g->'nodes') with ordinality n
  ),
  ports as materialized (
    select n.workflow, n.workflow_version, n.node_id, p.value->>'name' as port, p.value->>'mode' as mode
    from nodes n cross join jsonb_array_elements(n.n->'outputs') p
    union all
    select workflow, workflow_version, node_id, 'error', 'error' from nodes where (n->>'hasError')::boolean
  ),
  handles as materialized (
    select n.workflow, n.workflow_version, n.node_id, i.value->>'name' as handle, i.value->>'mode' as mode, i.value->'from' as sources
    from nodes n cross join jsonb_array_elements(n.n->'inputs') i
    union all
    select d.workflow, d.workflow_version, 'output', o.value->>'name', 'output', o.value->'from'
    from defs d cross join jsonb_array_elements(d.g->'outputs') o
    union all
    select n.workflow, n.workflow_version, n.node_id, '$external', case when n.n->>'kind' = 'trigger' then 'one' else 'events' end, '[]'
    from nodes n where n.n->>'kind' = 'trigger' or (n.n->>'resumable')::boolean
  ),
  edges as materialized (
    select h.workflow, h.workflow_version, h.node_id, h.handle, f.value->>'node' as from_node, f.value->>'port' as from_port
    from handles h cross join jsonb_array_elements(h.sources) f
  )`

/** The rows, with the definition they belong to. */
const rows = (s: string): string => `
  runs as materialized (
    select r.run_id, r.workflow, r.workflow_version, r.status, r.version, r.fence, r.worker, r.ready, r.due_at, r.frontier, r.ended_at, r.reason
    from ${s}.run_state r
  ),
  kept as materialized (
    select r.* from runs r
    where exists (select from ${s}.run_inbox_messages m where m.run_id = r.run_id) or r.ended_at is null
  ),
  firings as materialized (
    select r.workflow, r.workflow_version, n.run_id, n.node_id, n.firing, n.status, n.inputs, n.emitted, n.attempt, n.crashes,
      n.opened_in, n.written_in, n.not_before, n.state is not null as stateful, n.failure::jsonb ? 'error' as typed
    from ${s}.firings n join runs r on r.run_id = n.run_id
  ),
  trims as materialized (
    select t.* from ${s}.run_trims t join kept k on k.run_id = t.run_id
  ),
  messages as materialized (
    select r.workflow, r.workflow_version, r.status, m.run_id, m.node_id, m.handle, m.producer, m.firing, m.ordinal,
      m.tombstone, m.discarded, false as trimmed
    from ${s}.run_inbox_messages m join runs r on r.run_id = m.run_id
    union all
    select f.workflow, f.workflow_version, r.status, f.run_id, f.node_id, i.key, i.value->'ref'->>0,
      (i.value->'ref'->>1)::int4, (i.value->'ref'->>2)::int4, null, false, true
    from trims t
    join runs r on r.run_id = t.run_id
    join firings f on f.run_id = t.run_id and f.node_id = t.node_id and f.firing < t.firing
    cross join jsonb_each(f.inputs) i
    left join handles h on h.workflow = f.workflow and h.workflow_version = f.workflow_version
      and h.node_id = f.node_id and h.handle = i.key
    where i.value ? 'ref' and (i.key = '$external' or h.mode = 'one')
  )`

/** What follows from the rows of firings alone. */
const emitted = `
  emissions as materialized (
    select f.run_id, f.workflow, f.workflow_version, f.node_id, f.firing, p.port, o.ordinal, null::text as tombstone
    from firings f
    join ports p on p.workflow = f.workflow and p.workflow_version = f.workflow_version and p.node_id = f.node_id
    cross join lateral generate_series(0, (f.emitted->>p.port)::int4 - 1) o(ordinal)
    where f.status = 'completed' and p.port <> 'error'
    union all
    select f.run_id, f.workflow, f.workflow_version, f.node_id, f.firing, p.port, 0, 'not_taken'
    from firings f
    join ports p on p.workflow = f.workflow and p.workflow_version = f.workflow_version and p.node_id = f.node_id
    where f.status = 'completed' and (p.port = 'error' or ((f.emitted->>p.port)::int4 = 0 and p.mode <> 'many'))
    union all
    select f.run_id, f.workflow, f.workflow_version, f.node_id, f.firing, p.port, 0, case when p.port = 'error' then null else 'failed' end
    from firings f
    join ports p on p.workflow = f.workflow and p.workflow_version = f.workflow_version and p.node_id = f.node_id
    where f.status = 'failed' and f.typed
      -- What a stream has given by then is there, and nothing stands for the rest.
      and not (p.mode = 'many' and exists (
        select from messages m where m.run_id = f.run_id and m.producer = f.node_id || '.' || p.port and m.firing = f.firing
          and m.tombstone is null
      ))
      and exists (select from edges e where e.workflow = f.workflow and e.workflow_version = f.workflow_version and e.from_node = f.node_id and e.from_port = 'error')
    union all
    select f.run_id, f.workflow, f.workflow_version, f.node_id, f.firing, p.port, 0, 'skipped'
    from firings f
    join ports p on p.workflow = f.workflow and p.workflow_version = f.workflow_version and p.node_id = f.node_id
    where f.status = 'skipped'
    union all
    select r.run_id, r.workflow, r.workflow_version, 'input', 1, i.value, 0, null
    from runs r
    join defs d on d.workflow = r.workflow and d.workflow_version = r.workflow_version
    cross join jsonb_array_elements_text(d.g->'input') i
  ),
  expected as materialized (
    select m.run_id, e.node_id, e.handle, m.node_id || '.' || m.port as producer, m.firing, m.ordinal, m.tombstone
    from emissions m
    join edges e on e.workflow = m.workflow and e.workflow_version = m.workflow_version
      and e.from_node = m.node_id and e.from_port = m.port
  ),
  taken as materialized (
    select f.run_id, f.node_id, f.firing, f.status, h.mode, i.key as handle,
      i.value->'ref'->>0 as producer, (i.value->'ref'->>1)::int4 as from_firing, (i.value->'ref'->>2)::int4 as from_ordinal,
      (i.value->>'all')::int4 as count
    from firings f
    cross join jsonb_each(f.inputs) i
    join handles h on h.workflow = f.workflow and h.workflow_version = f.workflow_version
      and h.node_id = f.node_id and h.handle = i.key
  )`
