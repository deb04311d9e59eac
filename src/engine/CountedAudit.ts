import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { countTransitions } from "../runtime/Measures.js"
import { AuditLog } from "../store/AuditLog.js"

/** The audit log that is there already, with what it is told counted; off the hot path, as the log itself. */
export const layerCounted: Layer.Layer<AuditLog, never, AuditLog> = Layer.effect(
  AuditLog,
  Effect.map(AuditLog, (log) => ({
    ...log,
    record: (events) =>
      Effect.suspend(() => {
        countTransitions(events)
        return log.record(events)
      })
  }))
)
