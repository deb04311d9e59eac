import { PgClient } from "@effect/sql-pg"
import { Effect, Layer } from "effect"
import { AuditLog, type RecordedEvent } from "perdure"

/** The application's own record of what happened, in its own table and with its own client. */
export const AuditInOurTable: Layer.Layer<AuditLog, never, PgClient.PgClient> = Layer.effect(
  AuditLog,
  Effect.map(PgClient.PgClient, (sql) => ({
    record: (events) =>
      sql`insert into audit_lines ${sql.insert(
        events.map((event) => ({ runId: event.runId, line: `${event.kind} ${event.nodeId ?? ""}`.trim() }))
      )}`.pipe(Effect.orDie, Effect.asVoid),
    read: (runId, { limit }) =>
      sql<{ readonly lineId: number; readonly line: string }>`
        select line_id, line from audit_lines where run_id = ${runId} order by line_id limit ${limit}`.pipe(
        Effect.map((rows) =>
          rows.map(
            (row): RecordedEvent => ({
              seq: String(row.lineId),
              runId,
              kind: row.line,
              nodeId: null,
              firing: null,
              attempt: null,
              version: null,
              at: 0,
              detail: null
            })
          )
        ),
        Effect.orDie
      )
  }))
)
