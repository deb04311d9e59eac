-- By when a firing has to be over, all its attempts together, where its node says so.
alter table run_node_state add column deadline timestamptz;

-- What the frontier alone tells of has all the time.
create or replace view started_firings as
  select
    r.run_id, f.node_id, f.firing, 'running' collate "C" as status, 1 as attempt, 0 as crashes, f.inputs,
    null::jsonb as emitted, null::text collate "C" as reason, null::text collate "C" as state,
    null::timestamptz as not_before, null::text collate "C" as failure,
    r.version as opened_in, r.version as written_in, f.started_at, null::timestamptz as ended_at,
    null::timestamptz as deadline
  from run_state r
  cross join lateral started_in(r.frontier) f
  where not exists (
    select from run_node_state n where n.run_id = r.run_id and n.node_id = f.node_id and n.firing = f.firing
  );

create or replace view firings as
  select
    run_id, node_id, firing, status, attempt, crashes, inputs, emitted, reason, state, not_before, failure,
    opened_in, written_in, started_at, ended_at, deadline
  from run_node_state
  union all
  select
    run_id, node_id, firing, status, attempt, crashes, inputs, emitted, reason, state, not_before, failure,
    opened_in, written_in, started_at, ended_at, deadline
  from started_firings;
