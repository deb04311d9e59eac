-- What others see of a worker beside its heartbeat: the key of the advisory lock that a session of its own holds (null
-- where it has none), the definitions it executes as name@version, and how many more runs it would take.
alter table workers
  add column session bigint,
  add column serves text[] not null default '{}',
  add column room integer not null default 0;

-- When the server began to accept connections: at its start, or after a crash of one of its processes, which ends every
-- session and begins its statistics anew.
create function restarted_at() returns timestamptz
  language sql stable parallel restricted
  return greatest(pg_postmaster_start_time(), pg_stat_get_bgwriter_stat_reset_time());

-- A restart ends all sessions and delays all heartbeats: whose heart has not beaten since has one lease time to come back.
create function worker_excused(w workers) returns boolean
  language sql stable parallel restricted
  return w.session is not null and w.heartbeat_at < restarted_at()
    and restarted_at() + make_interval(secs => w.lease_ms / 1000.0) > pg_catalog.now();

create or replace function worker_alive(w workers) returns boolean
  language sql stable parallel restricted
  return w.stopped_at is null
    and (w.heartbeat_at + make_interval(secs => w.lease_ms / 1000.0) > clock() or worker_excused(w));
