-- Which runs a run has started as its children: whom its commands are passed on to. A child knows its parent by its frontier.
create table run_children (
  run_id text collate "C" not null,
  child_id text collate "C" not null,
  primary key (run_id, child_id)
);
