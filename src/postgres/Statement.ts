import * as Schema from "effect/Schema"
import type { Statement } from "../store/Transactor.js"

/**
 * The name of the database schema that holds the engine's tables.
 *
 * **Details** Lower case letters, digits and `_`, at most 40, so that it needs no quotes and fits into the names of
 * channels and prepared statements.
 */
export const SchemaName = Schema.String.pipe(
  Schema.pattern(/^[a-z_][a-z0-9_]{0,39}$/, {
    message: () => "expected a lower case letter or _ and then up to 39 lower case letters, digits or _"
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

/** The ended statuses of runs and of firings, as the tables' CHECKs list them. */
export const endedStatuses = "('completed', 'failed', 'cancelled', 'compensated')"
export const endedFiringStatuses = "('completed', 'failed', 'skipped', 'cancelled')"
