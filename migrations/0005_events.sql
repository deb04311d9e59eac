-- The audit log: a record for people. Nothing reads it to decide anything; no other table refers to it.
create table run_events (
  seq bigint generated always as identity primary key,
  run_id text collate "C" not null,
  kind text collate "C" not null,
  node_id text collate "C",
  firing integer,
  attempt integer,
  version integer,
  at timestamptz not null,
  detail text
);
create index run_events_run on run_events (run_id, seq);
