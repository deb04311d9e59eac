-- Commands follow each other: a pause, a resume and a pause again may all wait. What repeats the last one is not inserted.
drop index run_commands_run;
create index run_commands_run on run_commands (run_id, seq) where status in ('new', 'held');
