-- What retention has taken from runs that live: without it nobody could tell what is gone from what was lost. One row per node of a
-- long-lived run; nothing that executes runs reads it.
create table run_trims (
  run_id text collate "C" not null references run_state on delete cascade,
  node_id text collate "C" not null,
  -- Messages that firings below this one took, one after the other, are gone.
  firing integer not null default 1 check (firing > 0),
  -- So many events that were applied to the node are gone.
  events integer not null default 0 check (events >= 0),
  primary key (run_id, node_id)
);
