-- A checkpoint of a handler that reads or gives streams is remembered as a step: its state, what it had consumed and what it had
-- given.
alter table run_steps drop constraint run_steps_kind_check;
alter table run_steps add constraint run_steps_kind_check
  check (kind in ('run', 'sleep', 'signal', 'heartbeat', 'query', 'checkpoint'));
