import * as Effect from "effect/Effect"
import { query } from "./harness.js"

/** Everything of a schema that a migration makes, as PostgreSQL itself describes it; the schema's name is left out. */
export const catalog = (schema: string) =>
  Effect.gen(function* () {
    const tables = yield* query(
      `select c.relname as name, coalesce(c.reloptions, '{}')::text as options from pg_class c
      where c.relnamespace = $1::regnamespace and c.relkind = 'r' order by 1`,
      [schema]
    )
    const columns = yield* query(
      `select c.relname as "table", concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod),
        case when a.attnotnull then 'not null' end,
        'default ' || pg_get_expr(d.adbin, d.adrelid),
        case a.attidentity when 'a' then 'identity' end,
        'collate ' || (select l.collname from pg_collation l where l.oid = a.attcollation and l.collname <> 'default')
      ) as text
      from pg_attribute a join pg_class c on c.oid = a.attrelid
      left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      where c.relnamespace = $1::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
      order by c.relname, a.attnum`,
      [schema]
    )
    // PostgreSQL 18 lists NOT NULL as a constraint as well; the columns tell it already
    const constraints = yield* query(
      `select c.relname as "table", n.conname || ' ' || pg_get_constraintdef(n.oid) as text
      from pg_constraint n join pg_class c on c.oid = n.conrelid
      where c.relnamespace = $1::regnamespace and n.contype <> 'n' order by c.relname, n.conname`,
      [schema]
    )
    const indexes = yield* query(
      `select tablename as "table", indexdef as text from pg_indexes where schemaname = $1 order by tablename, indexname`,
      [schema]
    )
    const functions = yield* query(
      `select pg_get_functiondef(p.oid) as text from pg_proc p where p.pronamespace = $1::regnamespace order by p.proname`,
      [schema]
    )
    const plain = (text: unknown) => String(text).replaceAll(`${schema}.`, "")
    const of = (rows: typeof columns, table: unknown) =>
      rows.filter((row) => row["table"] === table).map((row) => plain(row["text"]))
    return {
      tables: Object.fromEntries(
        tables.map(({ name, options }) => [
          name,
          { options, columns: of(columns, name), constraints: of(constraints, name), indexes: of(indexes, name) }
        ])
      ),
      functions: functions.map((row) => plain(row["text"]))
    }
  })
