import type { RunId } from "../model/Ids.js"

/** Rows by the run they belong to, in the order in which they came. */
export const groupByRun = <A extends { readonly runId: RunId }>(
  rows: ReadonlyArray<A>
): ReadonlyMap<RunId, ReadonlyArray<A>> => {
  const groups = new Map<RunId, Array<A>>()
  for (const row of rows) {
    const group = groups.get(row.runId)
    if (group === undefined) groups.set(row.runId, [row])
    else group.push(row)
  }
  return groups
}
