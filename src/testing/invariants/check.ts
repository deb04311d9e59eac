import { defaultSchema, qualifier, type SchemaName } from "../../postgres/Statement.js"
import type { RawRow } from "../../store/Transactor.js"
import { facts } from "./Facts.js"
import { type Invariant, liveness, safety } from "./Safety.js"

/** Rows of a database that break an invariant. */
export interface BrokenInvariant {
  readonly name: string
  readonly runId: string
  readonly detail: string
}

/** How to ask a database of ours. */
export type Ask = (text: string) => Promise<ReadonlyArray<RawRow>>

const union = (schema: string, invariants: ReadonlyArray<Invariant>): string => {
  const parts = invariants.map(
    ({ name, query }) => `select '${name}'::text as name, v.* from (${query(schema)}) v(run_id, detail)`
  )
  return `with ${facts(schema)}\n${parts.join("\nunion all\n")}`
}

/**
 * All invariants that can be seen in the rows, as one statement that gives `name`, `run_id` and `detail` of each violation.
 *
 * **Details** Safety holds at any time. With `atRest` it asks for liveness too: for a database on which nobody has anything to
 * do and every fault has healed.
 */
export const invariantStatement = (options: { readonly atRest: boolean; readonly schema?: SchemaName }): string =>
  union(qualifier(options.schema ?? defaultSchema), options.atRest ? [...safety, ...liveness] : safety)

const watched = `
  select name, '' as run_id, before || ' -> ' || after as detail from perdure_watch.violations order by seq`

const broken = (row: RawRow): BrokenInvariant => ({
  name: String(row["name"]),
  runId: String(row["run_id"]),
  detail: String(row["detail"])
})

/**
 * Asks a database of ours for everything that must not be.
 *
 * **Details** `watched`: the database notes forbidden changes since `watchStatements` ran on it; they are asked for too.
 *
 * @example
 * const broken = await Invariants.check((text) => pool.query(text).then(({ rows }) => rows), { atRest: true })
 */
export const check = async (
  ask: Ask,
  options: { readonly atRest: boolean; readonly watched?: boolean; readonly schema?: SchemaName }
): Promise<ReadonlyArray<BrokenInvariant>> => {
  const rows = await ask(invariantStatement(options))
  const notes = options.watched === true ? await ask(watched) : []
  return [...rows, ...notes].map(broken)
}
