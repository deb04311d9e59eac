import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { RunId } from "../model/Ids.js"
import { toColumnText } from "../model/Json.js"
import { type AuditEvent, AuditLog } from "../store/AuditLog.js"
import { Transactor } from "../store/Transactor.js"
import { float8Array, int4Array, textArray } from "./Arrays.js"
import { run } from "./Execution.js"
import { decodeAll, decodeEvent } from "./Rows.js"
import { defaultSchema, qualifier, type SchemaName, statementsOf } from "./Statement.js"

/** The audit log waits for nobody: a lock or a slow disk costs its own events, never a run. */
const bounds = { lockTimeout: "2 seconds", statementTimeout: "2 seconds" } as const

const auditStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  const read = (name: string, where: string) =>
    statement(
      `events.${name}`,
      `
      select
        e.seq::text as seq, e.run_id as "runId", e.kind, e.node_id as "nodeId", e.firing, e.attempt, e.version,
        (extract(epoch from e.at) * 1000)::float8 as at, e.detail
      from ${s}.run_events e
      where e.run_id = $1 and e.seq > $2::int8${where} order by e.seq limit $3`
    )
  return {
    record: statement(
      "events.record",
      `
      insert into ${s}.run_events (run_id, kind, node_id, firing, attempt, version, at, detail)
      select c.run_id, c.kind, c.node_id, c.firing, c.attempt, c.version, to_timestamp(c.at / 1000.0), c.detail
      from unnest(
        $1::text[], $2::text[], $3::text[], $4::int4[], $5::int4[], $6::int4[], $7::float8[], $8::text[]
      ) with ordinality c(run_id, kind, node_id, firing, attempt, version, at, detail, place)
      order by c.place`
    ),
    readRun: read("readRun", ""),
    readNode: read("readNode", " and e.node_id = $4")
  }
}

/** The audit log in PostgreSQL, in transactions of its own. */
export const layer = (schema: SchemaName = defaultSchema): Layer.Layer<AuditLog, never, Transactor> =>
  Layer.effect(
    AuditLog,
    Effect.map(Transactor, (transactor) => {
      const statements = auditStatements(schema)

      const record = (events: ReadonlyArray<AuditEvent>) =>
        events.length === 0
          ? Effect.void
          : Effect.asVoid(
              transactor.transact(
                "AuditLog.record",
                run(statements.record, [
                  textArray(events.map((event) => event.runId)),
                  textArray(events.map((event) => event.kind)),
                  textArray(events.map((event) => event.nodeId)),
                  int4Array(events.map((event) => event.firing)),
                  int4Array(events.map((event) => event.attempt)),
                  int4Array(events.map((event) => event.version)),
                  float8Array(events.map((event) => event.at)),
                  textArray(events.map((event) => (event.detail === null ? null : toColumnText(event.detail))))
                ]),
                bounds
              )
            )

      const read = (
        runId: RunId,
        options: { readonly nodeId?: string; readonly after?: string; readonly limit: number }
      ) => {
        const page = [runId, options.after ?? "0", options.limit]
        const rows =
          options.nodeId === undefined
            ? run(statements.readRun, page)
            : run(statements.readNode, [...page, options.nodeId])
        return Effect.flatMap(transactor.transact("AuditLog.read", rows, bounds), (found) =>
          decodeAll(decodeEvent, found)
        )
      }

      return { record, read }
    })
  )
