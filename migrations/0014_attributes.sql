-- What runs are found by beside their names. created_at is that of the run (both are the transaction's time), so that a page
-- of a filtered list is read in its order from one index.
create table run_attributes (
  run_id text collate "C" not null references run_state on delete cascade,
  name text collate "C" not null,
  value text collate "C" not null,
  created_at timestamptz(3) not null default clock(),
  primary key (run_id, name)
);
create index run_attributes_list on run_attributes (name, value, created_at desc, run_id desc);
