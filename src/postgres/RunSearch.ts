import type { RunFilter } from "../store/StateStore.js"
import type { Statement } from "../store/Transactor.js"
import { cancelling, shownStatus, shows, summaryColumns } from "./RunColumns.js"
import { qualifier, type SchemaName, statementsOf } from "./Statement.js"

/** Numbers the parameters of a statement in the order in which they are asked for. */
const parameters = () => {
  const values: Array<unknown> = []
  const add = (value: unknown, type = ""): string => `$${values.push(value)}${type}`
  return { values, add }
}

/** A statement and its values. */
export interface Search {
  readonly statement: Statement
  readonly values: ReadonlyArray<unknown>
}

/**
 * The statement of a filter: one for each combination of what is asked for; keys and values of attributes are parameters.
 *
 * **Details** Walks the index of the first attribute, or else that of status, workflow or age, and checks the rest row by row. Each
 * check is a look by a key that a planner without figures can't turn into a join: a table is as good as empty to it at first.
 */
export const searchOf = (schema: SchemaName, filter: RunFilter): Search => {
  const s = qualifier(schema)
  const { add, values } = parameters()
  const limit = add(filter.limit, "::int4")
  const [first, ...others] = Object.entries(filter.attributes ?? {})
  const [from, row] =
    first === undefined
      ? [filter.status === "cancelling" ? cancelling(s) : `${s}.run_state r`, "r"]
      : [
          `${s}.run_attributes a cross join lateral (select * from ${s}.run_state r where r.run_id = a.run_id offset 0) r`,
          "a"
        ]
  const time = (date: Date) => `to_timestamp(${add(date.getTime(), "::float8")} / 1000.0)`
  const conditions: Array<string> = []
  if (first !== undefined) conditions.push(`a.name = ${add(first[0])} and a.value = ${add(first[1])}`)
  const after = filter.after
  if (after !== undefined) {
    conditions.push(`(${row}.created_at, ${row}.run_id) < (${time(after.createdAt)}, ${add(after.runId, "::text")})`)
  }
  if (filter.since !== undefined) conditions.push(`${row}.created_at >= ${time(filter.since)}`)
  if (filter.until !== undefined) conditions.push(`${row}.created_at < ${time(filter.until)}`)
  if (filter.workflow !== undefined) conditions.push(`r.workflow = ${add(filter.workflow)}`)
  if (filter.status !== undefined) {
    const status = add(filter.status, "::text")
    conditions.push(filter.status === "cancelling" ? `${shownStatus(s)} = ${status}` : shows(s, status))
  }
  for (const [name, value] of others) {
    conditions.push(
      `(select b.value from ${s}.run_attributes b where b.run_id = ${row}.run_id and b.name = ${add(name)}) = ${add(value)}`
    )
  }
  const asked = [
    after === undefined ? "" : "a",
    filter.since === undefined ? "" : "s",
    filter.until === undefined ? "" : "u",
    filter.workflow === undefined ? "" : "w",
    statusMark(filter.status),
    String(others.length + (first === undefined ? 0 : 1))
  ]
  const statement = statementsOf(schema)(
    `run.search.${asked.join("")}`,
    `
    select ${summaryColumns(s)} from ${from}
    where ${conditions.length === 0 ? "true" : conditions.join(" and ")}
    order by ${row}.created_at desc, ${row}.run_id desc limit ${limit}`
  )
  return { statement, values }
}

const statusMark = (status: RunFilter["status"]): string => {
  if (status === undefined) return ""
  return status === "cancelling" ? "c" : "t"
}

/** Whether a filter asks for more than workflow and status. */
export const isSearch = ({ attributes = {}, since, until }: RunFilter): boolean =>
  since !== undefined || until !== undefined || Object.keys(attributes).length > 0
