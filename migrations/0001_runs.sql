-- Runs and firings. Names are unqualified: a migration runs with search_path set to the schema.

-- The one source of time for leases and timers. Tests replace it to shift time.
create function clock() returns timestamptz
  language sql stable parallel safe
  as 'select pg_catalog.now()';

create table definitions (
  workflow text collate "C" not null,
  workflow_version integer not null check (workflow_version > 0),
  hash text collate "C" not null,
  graph text not null,
  defined_at timestamptz not null default clock(),
  -- Moved by the heartbeats of the workers that have it.
  served_at timestamptz not null default clock(),
  primary key (workflow, workflow_version)
) with (fillfactor = 50);

-- Rewritten by every commit: narrow, and no index holds a column that an ordinary commit changes, so that those
-- updates stay HOT (room for them is what the fill factor is for). status is indexed: it changes a few times per run.
create table run_state (
  run_id text collate "C" primary key,
  workflow text collate "C" not null,
  workflow_version integer not null,
  status text collate "C" not null check (status in (
    'pending', 'running', 'suspended', 'recovering', 'paused', 'cancelling', 'compensating', 'compensated',
    'completed', 'failed', 'cancelled', 'parked'
  )),
  version integer not null check (version > 0),
  fence integer not null check (fence >= 0),
  worker uuid,
  ready boolean not null,
  due_at timestamptz,
  priority smallint not null default 0,
  reason text,
  frontier jsonb not null,
  -- In whole milliseconds, as the pages of a list are cut.
  created_at timestamptz(3) not null default clock(),
  updated_at timestamptz not null default clock(),
  ended_at timestamptz,
  constraint run_state_ended check (
    (ended_at is not null) = (status in ('completed', 'failed', 'cancelled', 'compensated'))
  ),
  -- S6: no lease on an ended run; nothing to look for either.
  constraint run_state_ended_rests check (ended_at is null or (worker is null and not ready and due_at is null)),
  constraint run_state_parked_rests check (
    status <> 'parked' or (worker is null and not ready and due_at is null and reason is not null)
  ),
  constraint run_state_leased_fenced check (worker is null or fence > 0)
) with (fillfactor = 50);

create index run_state_claim_ready on run_state (workflow, workflow_version, priority desc, created_at)
  where worker is null and ready;
create index run_state_claim_due on run_state (workflow, workflow_version, due_at)
  where worker is null and due_at is not null;
create index run_state_claim_orphaned on run_state (worker) where worker is not null;
create index run_state_parked on run_state (workflow, workflow_version, created_at) where status = 'parked';
create index run_state_list on run_state (created_at desc, run_id desc);
create index run_state_list_workflow on run_state (workflow, created_at desc, run_id desc);
create index run_state_list_status on run_state (status, created_at desc, run_id desc);
create index run_state_retention on run_state (ended_at, run_id) where ended_at is not null;

-- What a run was given and what it gave: written once each, so that run_state stays narrow. Values are JSON as text:
-- jsonb reorders keys and knows no NUL. codec says how to read them (1: JSON).
create table run_values (
  run_id text collate "C" primary key,
  codec smallint not null default 1,
  input text not null,
  output text,
  failure text
);

-- One row per (run, node, firing), written when the firing starts (or suspends, or is skipped) and when it ends.
create table run_node_state (
  run_id text collate "C" not null,
  node_id text collate "C" not null,
  firing integer not null check (firing > 0),
  status text collate "C" not null check (status in (
    'scheduled', 'running', 'suspended', 'completed', 'failed', 'skipped', 'cancelled'
  )),
  attempt integer not null check (attempt >= 0),
  crashes integer not null default 0 check (crashes >= 0),
  -- What it took: per handle {"ref": [producer, firing, ordinal]} or {"all": count}.
  inputs jsonb not null,
  -- Live messages per port, once completed.
  emitted jsonb,
  reason text,
  -- JSON text a suspended firing will be resumed with.
  state text,
  not_before timestamptz,
  failure text,
  -- The commits that wrote the row first and last.
  opened_in integer not null,
  written_in integer not null,
  started_at timestamptz not null default clock(),
  ended_at timestamptz,
  primary key (run_id, node_id, firing),
  constraint run_node_state_ended check (
    (ended_at is not null) = (status in ('completed', 'failed', 'skipped', 'cancelled'))
  ),
  constraint run_node_state_suspended check (status <> 'suspended' or reason is not null),
  constraint run_node_state_failed check (status <> 'failed' or failure is not null),
  constraint run_node_state_completed check ((status = 'completed') = (emitted is not null)),
  constraint run_node_state_waits check (not_before is null or status in ('scheduled', 'suspended'))
) with (fillfactor = 80);

-- More eager vacuuming keeps the chains of HOT updates short.
alter table run_state set (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
alter table run_node_state set (autovacuum_vacuum_scale_factor = 0.1);
