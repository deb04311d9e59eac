-- The events of one run that are written together are one row: its history of ten steps is a row or two, not thirty.
alter table run_events add column events json;
update run_events set events = json_build_array(json_strip_nulls(json_build_object(
  'kind', kind, 'nodeId', node_id, 'firing', firing, 'attempt', attempt, 'version', version,
  'at', floor(extract(epoch from at) * 1000)::bigint, 'detail', detail
)));
alter table run_events
  alter column events set not null,
  drop column kind, drop column node_id, drop column firing, drop column attempt, drop column version,
  drop column at, drop column detail;
