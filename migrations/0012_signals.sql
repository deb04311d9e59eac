-- A signal is an input for the steps of a node, by name; without one the input is an event for the node itself.
alter table trigger_inputs add column signal text collate "C";
create index trigger_inputs_signals on trigger_inputs (run_id, node_id, signal, seq) where signal is not null;
