-- One row per life of a worker. Heartbeats cost one row per worker, whatever it holds.
create table workers (
  incarnation uuid primary key,
  worker_id text not null,
  lease_ms integer not null check (lease_ms > 0),
  started_at timestamptz not null default clock(),
  heartbeat_at timestamptz not null default clock(),
  stopped_at timestamptz
) with (fillfactor = 50);

-- Whether a lease held by this incarnation is valid now.
create function worker_alive(w workers) returns boolean
  language sql stable parallel safe
  return w.stopped_at is null and w.heartbeat_at + make_interval(secs => w.lease_ms / 1000.0) > clock();
