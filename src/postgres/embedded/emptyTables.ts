import * as Effect from "effect/Effect"
import type pg from "pg"

/** Which tables are emptied. */
export interface EmptyTablesOptions {
  readonly schema: string
  /** Tables that keep their rows, such as the list of applied migrations. */
  readonly except: ReadonlyArray<string>
}

const literal = (value: string): string => `'${value.replaceAll("'", "''")}'`

const statement = ({ schema, except }: EmptyTablesOptions): string => `
do $empty$
declare
  one record;
begin
  set local session_replication_role = replica;
  for one in
    select format('%I.%I', n.nspname, c.relname) as name, pg_relation_size(c.oid) as bytes
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${literal(schema)} and c.relkind = 'r'
      and c.relname <> all (array[${except.map(literal).join(", ")}]::text[])
  loop
    if one.bytes > 262144 then
      execute 'truncate ' || one.name || ' cascade';
    elsif one.bytes > 0 then
      execute 'delete from ' || one.name;
    end if;
  end loop;
  for one in
    select format('%I.%I', schemaname, sequencename) as name
    from pg_sequences where schemaname = ${literal(schema)} and last_value is not null
  loop
    execute 'alter sequence ' || one.name || ' restart';
  end loop;
  if pg_wal_lsn_diff(pg_current_wal_insert_lsn(), (pg_control_checkpoint()).redo_lsn) > 16777216 then
    checkpoint;
  end if;
end
$empty$`

/**
 * Brings the tables of a schema of an embedded database back to empty: the quickest way to a fresh database for a test.
 *
 * **Details** Tables and sequences only: triggers, settings and changes of tables stay. Foreign keys and triggers don't
 * fire. Measured with nine tables of 30 rows and 36 indexes: deleting 1 to 8 ms, `truncate` 14 ms, dropping and creating
 * the schema 25 to 35 ms, a new database from a snapshot 200 to 450 ms; so small tables are deleted from, and grown ones truncated.
 */
export const emptyTables = (pool: pg.Pool, options: EmptyTablesOptions): Effect.Effect<void> =>
  Effect.asVoid(Effect.promise(() => pool.query(statement(options))))
