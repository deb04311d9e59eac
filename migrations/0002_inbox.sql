-- Messages on edges. The key is the message's identity, derived from its producer, so appending twice is appending once.
-- A row is written once; which firing took it stands in run_node_state.inputs.
create table run_inbox_messages (
  run_id text collate "C" not null,
  node_id text collate "C" not null,
  handle text collate "C" not null,
  producer text collate "C" not null,
  firing integer not null check (firing >= 0),
  ordinal integer not null check (ordinal >= 0),
  codec smallint not null default 1,
  payload text,
  tombstone text collate "C" check (tombstone in ('not_taken', 'failed', 'skipped')),
  discarded boolean not null default false,
  primary key (run_id, node_id, handle, producer, firing, ordinal),
  constraint run_inbox_messages_content check ((payload is null) <> (tombstone is null))
);
