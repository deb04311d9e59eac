import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { RunId } from "../model/Ids.js"
import { toColumnText } from "../model/Json.js"
import { type AuditEvent, AuditLog } from "../store/AuditLog.js"
import { ReadTransactor } from "../store/ReadTransactor.js"
import { Transactor } from "../store/Transactor.js"
import { columnsOf, textColumn } from "./Arrays.js"
import { run } from "./Execution.js"
import { decodeAll, decodeEvent } from "./Rows.js"
import { defaultSchema, qualifier, type SchemaName, statementsOf } from "./Statement.js"

/** The audit log waits for nobody: a lock or a slow disk costs its own events, never a run. */
const bounds = { lockTimeout: "2 seconds", statementTimeout: "2 seconds" } as const

/** Events in one row at most: a place in the row and the row's number make the number of an event. */
const eventsPerRow = 4_096

const auditStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  const read = (name: string, where: string) =>
    statement(
      `events.${name}`,
      `
      select
        (e.seq * ${eventsPerRow} + x.place)::text as seq, e.run_id as "runId", x.event ->> 'kind' as kind,
        x.event ->> 'nodeId' as "nodeId", (x.event ->> 'firing')::int4 as firing, (x.event ->> 'attempt')::int4 as attempt,
        (x.event ->> 'version')::int4 as version, (x.event ->> 'at')::float8 as at, x.event ->> 'detail' as detail
      from ${s}.run_events e
      cross join lateral json_array_elements(e.events) with ordinality x(event, place)
      where e.run_id = $1 and e.seq >= $2::int8 / ${eventsPerRow} and e.seq * ${eventsPerRow} + x.place > $2::int8${where}
      order by e.seq, x.place limit $3`
    )
  return {
    record: statement(
      "events.record",
      `
      insert into ${s}.run_events (run_id, events)
      select c.run_id, c.events::json from unnest($1::text[], $2::text[]) with ordinality c(run_id, events, place)
      order by c.place`
    ),
    readRun: read("readRun", ""),
    readNode: read("readNode", " and x.event ->> 'nodeId' = $4")
  }
}

interface EventsRow {
  readonly runId: RunId
  readonly parts: Array<string>
}

/** One row for the events of each run, in the order in which the runs appear. */
const rowsOf = (events: ReadonlyArray<AuditEvent>): ReadonlyArray<EventsRow> => {
  const rows: Array<EventsRow> = []
  const byRun = new Map<RunId, EventsRow>()
  for (const event of events) {
    const { runId } = event
    let row = byRun.get(runId)
    // An event's place counts from 1, so that a full row still ends before the next one's number begins.
    if (row === undefined || row.parts.length === eventsPerRow - 1) {
      row = { runId, parts: [] }
      byRun.set(runId, row)
      rows.push(row)
    }
    row.parts.push(textOf(event))
  }
  return rows
}

/**
 * An event as JSON, without its run; what is absent is left out, and text is made fit for a column.
 *
 * **Details** There are two or three for each step; `JSON.stringify` with a function that is asked for each property takes 2 µs an event, and
 * this one 0.8 µs.
 */
const textOf = ({ at, attempt, detail, firing, kind, nodeId, version }: AuditEvent): string =>
  `{"at":${at}${quoted("kind", kind)}${quoted("nodeId", nodeId)}${plain("firing", firing)}${plain("attempt", attempt)}${plain("version", version)}${quoted("detail", detail)}}`

const quoted = (name: string, text: string | null): string =>
  text === null ? "" : `,"${name}":${JSON.stringify(toColumnText(text))}`

const plain = (name: string, number: number | null): string => (number === null ? "" : `,"${name}":${number}`)

const eventColumns = columnsOf<EventsRow>(
  textColumn((row) => row.runId),
  textColumn((row) => `[${row.parts.join(",")}]`)
)

/** The audit log in PostgreSQL, in transactions of its own; read over connections for questions, where there are any. */
export const layer = (schema: SchemaName = defaultSchema): Layer.Layer<AuditLog, never, Transactor> =>
  Layer.effect(
    AuditLog,
    Effect.gen(function* () {
      const transactor = yield* Transactor
      const reads = (yield* ReadTransactor) ?? transactor
      const statements = auditStatements(schema)

      const record = (events: ReadonlyArray<AuditEvent>) => {
        if (events.length === 0) return Effect.void
        const rows = rowsOf(events)
        return Effect.asVoid(transactor.transact("AuditLog.record", run(statements.record, eventColumns(rows)), bounds))
      }

      const read = (
        runId: RunId,
        options: { readonly nodeId?: string; readonly after?: string; readonly limit: number }
      ) => {
        const page = [runId, options.after ?? "0", options.limit]
        const rows =
          options.nodeId === undefined
            ? run(statements.readRun, page)
            : run(statements.readNode, [...page, options.nodeId])
        return Effect.flatMap(reads.transact("AuditLog.read", rows, bounds), (found) => decodeAll(decodeEvent, found))
      }

      return { record, read }
    })
  )
