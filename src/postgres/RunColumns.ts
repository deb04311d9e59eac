import { anyRow, isNew } from "./Statement.js"

/** Milliseconds since the epoch of a column. */
export const millis = (column: string): string => `(extract(epoch from ${column}) * 1000)::float8`

/** A cancel that the run's owner has not taken up yet already reads as `cancelling`. */
export const shownStatus = (s: string): string => `
  case
    when r.status in ('pending', 'running', 'suspended', 'recovering', 'paused')
      and ${anyRow(`${s}.run_commands m where m.run_id = r.run_id and m.kind = 'cancel' and ${isNew("m")}`)}
    then 'cancelling'
    else r.status
  end`

/** Runs that show a status other than `cancelling`, as a condition on the row `r`; the index goes by the status in the row. */
export const shows = (s: string, parameter: string): string =>
  `r.status = ${parameter} and ${shownStatus(s)} = ${parameter}`

/** Runs that are being cancelled or wait for their owner to do it: few, found by their status or their command. */
export const cancelling = (s: string): string => `(
      select f.* from (
        select c.run_id from ${s}.run_state c where c.status = 'cancelling'
        union select m.run_id from ${s}.run_commands m where m.kind = 'cancel' and ${isNew("m")}
      ) c cross join lateral (select * from ${s}.run_state r where r.run_id = c.run_id offset 0) f
    ) r`

/** A run as a list shows it; its row is `r`. */
export const summaryColumns = (s: string): string => `
  r.run_id as "runId", r.workflow, r.workflow_version as "workflowVersion", ${shownStatus(s)} as status, r.reason, r.version,
  r.fence, r.worker, ${millis("r.created_at")} as "createdAt", ${millis("r.ended_at")} as "endedAt"`
