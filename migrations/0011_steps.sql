-- What handlers remember of their steps: one row per (firing, step), written by the commits of the run like everything else.
-- value is JSON as text.
create table run_steps (
  run_id text collate "C" not null,
  node_id text collate "C" not null,
  firing integer not null check (firing > 0),
  kind text collate "C" not null check (kind in ('run', 'sleep', 'signal', 'heartbeat', 'query')),
  name text collate "C" not null,
  key text collate "C" not null,
  status text collate "C" not null check (status in ('waiting', 'retrying', 'completed', 'failed', 'timed_out')),
  attempt integer not null check (attempt > 0),
  firing_attempt integer not null check (firing_attempt > 0),
  not_before timestamptz,
  codec smallint not null default 1,
  value text,
  -- The signal that was taken.
  input_seq bigint,
  written_in integer not null,
  primary key (run_id, node_id, firing, kind, name, key),
  constraint run_steps_waits check (not_before is null or status in ('waiting', 'retrying')),
  constraint run_steps_taken check ((input_seq is not null) = (kind = 'signal' and status = 'completed'))
) with (fillfactor = 80);

-- A signal is taken at most once.
create unique index run_steps_signal on run_steps (run_id, input_seq) where input_seq is not null;
