import * as Schema from "effect/Schema"
import type { Statement } from "../store/Transactor.js"

/**
 * The name of the database schema that holds the engine's tables.
 *
 * **Details** Lower case letters, digits and `_`, at most 30, so that it needs no quotes and fits into the names of
 * channels and prepared statements.
 */
export const SchemaName = Schema.String.pipe(
  Schema.pattern(/^[a-z_][a-z0-9_]{0,29}$/, {
    message: () => "expected a lower case letter or _ and then up to 29 lower case letters, digits or _"
  }),
  Schema.filter((name) => !name.startsWith("pg_") || "names that begin with pg_ belong to PostgreSQL"),
  Schema.brand("SchemaName")
)
export type SchemaName = typeof SchemaName.Type

/** The schema where nothing else is said. */
export const defaultSchema: SchemaName = SchemaName.make("perdure")

/** The schema as it stands before a table's name in a statement. */
export const qualifier = (schema: SchemaName): string => `"${schema}"`

/** A builder of statements for one schema; names are unique per schema, so that one connection may serve several. */
export const statementsOf =
  (schema: SchemaName) =>
  (name: string, text: string): Statement => ({
    name: `${schema}.${name}`,
    text: text.trim().replaceAll(/\s*\n\s*/g, "\n")
  })

/**
 * Whether there is a row; for the select list, where EXISTS might be planned as a scan of everything into a hash table.
 */
export const anyRow = (from: string): string => `(select true from ${from} limit 1) is not null`

/**
 * What waits for a run, worded so that it is found by the index that begins with the run, and never by the index of a
 * look, in which everything that is new in the whole database stands.
 */
export const unapplied = (alias: string): string => `${alias}.status in ('new', 'held')`
export const isNew = (alias: string): string => `${unapplied(alias)} and ${alias}.status <> 'held'`

/** The ended statuses of runs and of firings, as the tables' CHECKs list them. */
export const endedStatuses = "('completed', 'failed', 'cancelled', 'compensated')"
export const endedFiringStatuses = "('completed', 'failed', 'skipped', 'cancelled')"
