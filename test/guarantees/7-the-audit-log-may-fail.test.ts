import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { auditDropped } from "../../src/runtime/AuditTrail.js"
import { AuditLog } from "../../src/store/AuditLog.js"
import { Approved, Fan } from "../engine/fixtures.js"
import { approved, fan } from "../engine/handlers.js"
import type { EngineProcess } from "../engine/process.js"
import { scenario, type World } from "../engine/world.js"

const workflows = Layer.merge(fan(), approved())

const story = (engine: EngineProcess["engine"]) =>
  Effect.gen(function* () {
    yield* engine.start(Fan, { n: 6, by: 2 }, { runId: "fan" })
    yield* engine.start(Approved, { n: 1 }, { runId: "approved" })
    yield* engine.trigger(Approved, "approved", "approval", { approved: true }, { inputId: "1" })
    yield* engine.awaitEnd("fan")
    yield* engine.awaitEnd("approved")
  })

/** Everything but the audit log, without times and holders. */
const state = (world: World) =>
  Effect.all([
    world.sql("select run_id, status, version, fence, reason from perdure.run_state order by run_id"),
    world.sql("select run_id, output, failure from perdure.run_values order by run_id"),
    world.sql(
      "select run_id, node_id, firing, status, attempt, crashes, inputs, emitted from perdure.run_node_state order by 1, 2, 3"
    ),
    world.sql(
      "select run_id, node_id, handle, producer, firing, ordinal, payload, tombstone, discarded from perdure.run_inbox_messages order by 1, 2, 3, 4, 5, 6"
    ),
    world.sql("select run_id, node_id, input_id, status from perdure.trigger_inputs order by 1, 2")
  ])

/** Nobody gives up a run that waits for a moment, so that no fence depends on the machine's pace. */
const settings = { idleMs: 60_000 }

const raising = (sqlState: string, when: string) => `
  create function raising() returns trigger language plpgsql as
    $$ begin raise exception 'refused' using errcode = '${sqlState}'; end $$;
  create ${when} execute function raising()`

const onInsert = "trigger raising before insert on perdure.run_events for each row"
const atCommit =
  "constraint trigger raising after insert on perdure.run_events deferrable initially deferred for each row"

const broken: Readonly<Record<string, string>> = {
  missing: "drop table perdure.run_events",
  changed: "alter table perdure.run_events drop column events",
  denied: raising("42501", onInsert),
  full: raising("53100", onInsert),
  "refused at commit": raising("23514", atCommit)
}

/** Without a crash a run of these comes to the same rows every time; how firings share commits is left open. */
const comparable = (tables: Effect.Effect.Success<ReturnType<typeof state>>) => [
  tables[0]!.map(({ version: _, ...run }) => run),
  ...tables.slice(1)
]

for (const [name, break_] of Object.entries(broken)) {
  scenario(
    `with the audit table ${name} the state tables are the same, at the cost of a warning and a count`,
    (world) =>
      Effect.gen(function* () {
        const healthy = yield* world.start({ workflows, settings })
        yield* story(healthy.engine)
        yield* healthy.stop
        const expected = comparable(yield* state(world))
        yield* world.reset
        for (const statement of break_.split(/;\s*(?=create)/)) yield* world.sql(statement)
        const before = (yield* Metric.value(auditDropped)).count
        const process = yield* world.start({ workflows, settings })
        yield* story(process.engine)
        // the last events are handed over by the stop
        yield* process.stop
        expect(comparable(yield* state(world))).toEqual(expected)
        expect((yield* Metric.value(auditDropped)).count).toBeGreaterThan(before)
      }),
    { fresh: true }
  )
}

scenario("a locked audit table holds up no run", (world) =>
  Effect.gen(function* () {
    const process = yield* world.start({ workflows, settings })
    const before = (yield* Metric.value(auditDropped)).count
    yield* world.holding("lock table perdure.run_events in access exclusive mode", story(process.engine))
    yield* process.stop
    expect((yield* state(world))[0]).toMatchObject([{ status: "completed" }, { status: "completed" }])
    expect((yield* Metric.value(auditDropped)).count).toBeGreaterThanOrEqual(before)
  })
)

const logs: Readonly<Record<string, (typeof AuditLog.Service)["record"]>> = {
  dies: () => Effect.dieMessage("the log is broken"),
  throws: () => {
    throw new Error("the log is broken")
  },
  hangs: () => Effect.never
}

for (const [name, record] of Object.entries(logs)) {
  scenario(`an audit log that ${name} disturbs no run and no stop`, (world) =>
    Effect.gen(function* () {
      const audit = Layer.succeed(AuditLog, { record, read: () => Effect.succeed([]) })
      const process = yield* world.start({ workflows, audit })
      yield* story(process.engine)
      yield* process.stop
      expect((yield* state(world))[0]).toMatchObject([{ status: "completed" }, { status: "completed" }])
    })
  )
}
