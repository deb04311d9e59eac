-- What comes from outside: one row each, inserted without locking the run against its owner (the foreign key takes a
-- key-share lock, which commits don't conflict with).
create table trigger_inputs (
  seq bigint generated always as identity primary key,
  run_id text collate "C" not null references run_state on delete cascade,
  node_id text collate "C" not null,
  input_id text collate "C" not null,
  codec smallint not null default 1,
  payload text not null,
  status text collate "C" not null default 'new' check (status in ('new', 'applied', 'held', 'dead')),
  received_at timestamptz not null default clock(),
  settled_at timestamptz,
  constraint trigger_inputs_key unique (run_id, node_id, input_id),
  constraint trigger_inputs_settled check ((settled_at is not null) = (status in ('applied', 'dead')))
);
create index trigger_inputs_look on trigger_inputs (seq) where status = 'new';
create index trigger_inputs_run on trigger_inputs (run_id, seq) where status in ('new', 'held');

create table run_commands (
  seq bigint generated always as identity primary key,
  run_id text collate "C" not null references run_state on delete cascade,
  kind text collate "C" not null check (kind in ('cancel', 'pause', 'resume', 'retry')),
  status text collate "C" not null default 'new' check (status in ('new', 'applied', 'refused', 'held', 'dead')),
  received_at timestamptz not null default clock(),
  settled_at timestamptz,
  constraint run_commands_settled check ((settled_at is not null) = (status in ('applied', 'refused', 'dead')))
);
create index run_commands_look on run_commands (seq) where status = 'new';
create unique index run_commands_run on run_commands (run_id, kind) where status in ('new', 'held');
create index run_commands_by_run on run_commands (run_id, seq);
