import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type AuditEvent, AuditLog } from "../../src/store/AuditLog.js"
import { both, holding, onFreshDatabase, query, runId } from "./harness.js"

const event = (id: string, kind: string, changes: Partial<AuditEvent> = {}): AuditEvent => ({
  runId: runId(id),
  kind,
  nodeId: null,
  firing: null,
  attempt: null,
  version: null,
  at: 1_700_000_000_123,
  detail: null,
  ...changes
})

const record = (...events: ReadonlyArray<AuditEvent>) => Effect.flatMap(AuditLog, (audit) => audit.record(events))

describe("the audit log", () => {
  both(
    "gives the events of a run in order, of one node, and after a cursor",
    Effect.gen(function* () {
      const audit = yield* AuditLog
      const full = event("a", "z", { nodeId: "n", firing: 1, attempt: 2, version: 3, detail: '{"x":1}' })
      yield* record(event("a", "started"), event("b", "started"), full)
      yield* record(event("a", "ended"))
      yield* record()
      const all = yield* audit.read(runId("a"), { limit: 10 })
      expect(all.map(({ seq: _, ...one }) => one)).toEqual([event("a", "started"), full, event("a", "ended")])
      expect((yield* audit.read(runId("a"), { limit: 1 })).map((one) => one.kind)).toEqual(["started"])
      expect((yield* audit.read(runId("a"), { limit: 10, after: String(all[1]?.seq) })).map((one) => one.kind)).toEqual(
        ["ended"]
      )
      expect((yield* audit.read(runId("a"), { limit: 10, nodeId: "n" })).map((one) => one.kind)).toEqual(["z"])
    })
  )

  both(
    "is one row for the events of a run that are recorded together, up to 4,095, and each is found by its number",
    Effect.gen(function* () {
      const audit = yield* AuditLog
      yield* record(...Array.from({ length: 5_000 }, (_, index) => event("a", `k${index}`)))
      expect(yield* query("select count(*)::int4 as count from perdure.run_events")).toEqual([{ count: 2 }])
      const all = yield* audit.read(runId("a"), { limit: 5_000 })
      expect(all.map(({ kind }) => kind)).toEqual(Array.from({ length: 5_000 }, (_, index) => `k${index}`))
      for (const at of [0, 4_093, 4_094, 4_095, 4_998]) {
        expect(yield* audit.read(runId("a"), { limit: 1, after: all[at]!.seq })).toEqual([all[at + 1]])
      }
      expect(yield* audit.read(runId("a"), { limit: 1, after: all[4_999]!.seq })).toEqual([])
    })
  )

  both(
    "keeps an event whose detail holds a NUL",
    Effect.gen(function* () {
      yield* record(event("a", "failed", { detail: "a\u0000b" }))
      const [kept] = yield* Effect.flatMap(AuditLog, (audit) => audit.read(runId("a"), { limit: 1 }))
      expect(kept?.detail).toBe("a\ufffdb")
    })
  )

  it.live("waits no longer than two seconds for its table", () =>
    Effect.gen(function* () {
      yield* holding("lock table perdure.run_events")
      const error = yield* Effect.flip(record(event("a", "started")))
      expect(error).toMatchObject({ _tag: "DatabaseError", outcome: "retryable" })
    }).pipe(onFreshDatabase())
  )

  it.live("that is missing is a typed error", () =>
    Effect.gen(function* () {
      yield* query("drop table perdure.run_events")
      expect(yield* Effect.flip(record(event("a", "started")))).toMatchObject({ outcome: "fatal", sqlState: "42P01" })
    }).pipe(onFreshDatabase())
  )
})
