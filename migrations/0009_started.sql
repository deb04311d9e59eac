-- Firings that run at their first attempt and have no row yet: run_state.frontier tells of them (nodes.<id>.started, each
-- [firing, inputs, started at in ms]), which every commit rewrites anyway. So a firing is one row, written when it ends,
-- instead of an insert and an update. A frontier that is not what it should be gives none: whoever decodes it says why.
create function started_in(frontier jsonb)
  returns table (node_id text, firing integer, inputs jsonb, started_at timestamptz)
  language sql immutable
  as $$
    select n.key collate "C", (s.value ->> 0)::integer, s.value -> 1, to_timestamp((s.value ->> 2)::float8 / 1000)
    from jsonb_each(case when jsonb_typeof(frontier -> 'nodes') = 'object' then frontier -> 'nodes' end) n
    cross join jsonb_array_elements(
      case when jsonb_typeof(n.value -> 'started') = 'array' then n.value -> 'started' end
    ) s
    where jsonb_typeof(s.value -> 0) = 'number' and jsonb_typeof(s.value -> 2) = 'number'
  $$;

-- Those, as their rows would be.
create view started_firings as
  select
    r.run_id, f.node_id, f.firing, 'running' collate "C" as status, 1 as attempt, 0 as crashes, f.inputs,
    null::jsonb as emitted, null::text collate "C" as reason, null::text collate "C" as state,
    null::timestamptz as not_before, null::text collate "C" as failure,
    r.version as opened_in, r.version as written_in, f.started_at, null::timestamptz as ended_at
  from run_state r
  cross join lateral started_in(r.frontier) f
  where not exists (
    select from run_node_state n where n.run_id = r.run_id and n.node_id = f.node_id and n.firing = f.firing
  );

-- Every firing there is.
create view firings as
  select
    run_id, node_id, firing, status, attempt, crashes, inputs, emitted, reason, state, not_before, failure,
    opened_in, written_in, started_at, ended_at
  from run_node_state
  union all
  select
    run_id, node_id, firing, status, attempt, crashes, inputs, emitted, reason, state, not_before, failure,
    opened_in, written_in, started_at, ended_at
  from started_firings;
