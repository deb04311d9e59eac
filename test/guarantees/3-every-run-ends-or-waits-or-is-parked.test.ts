import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Approved, Chain, Fan, Polled } from "../engine/fixtures.js"
import { approved, chain, fan, makeGate, polled } from "../engine/handlers.js"
import { scenario } from "../engine/world.js"

const all = Layer.mergeAll(chain(), approved(), polled(), fan())

/** Runs that have not ended, wait for nothing and are not parked. */
const stranded = `
  select r.run_id, r.status from perdure.run_state r
  where r.ended_at is null and not (r.status = 'parked' and r.reason is not null)
    and not (r.status = 'suspended' and exists (
      select from perdure.firings n where n.run_id = r.run_id and n.status = 'suspended'
    ))`

scenario("after deaths in the middle of everything no run is stranded", (world) =>
  Effect.gen(function* () {
    for (let life = 0; life < 3; life++) {
      const gate = yield* makeGate
      const process = yield* world.start({
        workflows: Layer.mergeAll(chain(), approved(gate.hook), polled(), fan(undefined, gate.hook))
      })
      const start = [
        process.engine.start(Chain, { n: 1 }, { runId: `chain${life}` }),
        process.engine.start(Approved, { n: 1 }, { runId: `approved${life}` }),
        process.engine.start(Polled, { n: 2 }, { runId: `polled${life}` }),
        process.engine.start(Fan, { n: 5, by: 1 }, { runId: `fan${life}` })
      ]
      yield* Effect.all(start, { concurrency: "unbounded" })
      yield* process.engine.trigger(Approved, `approved${life}`, "approval", { approved: true }, { inputId: "1" })
      yield* gate.arrived
      yield* world.kill(process)
    }
    const last = yield* world.start({ workflows: all })
    for (let life = 0; life < 3; life++) {
      for (const name of ["chain", "approved", "fan"]) yield* last.engine.awaitEnd(`${name}${life}`)
      yield* world.until(`polled${life}`, "suspended")
    }
    expect(yield* world.sql(stranded)).toEqual([])
  })
)

scenario(
  "a run with a damaged row is parked with a reason that names the row, and its neighbours go on",
  (world) =>
    Effect.gen(function* () {
      const first = yield* world.start({ workflows: approved(), settings: { idleMs: 0 } })
      const ids = ["frontier", "firing", "message", "input", "good"]
      for (const runId of ids) {
        yield* first.engine.start(Approved, { n: 1 }, { runId })
        yield* world.untilReleased(runId)
      }
      yield* first.stop
      yield* world.sql("update perdure.run_state set frontier = '[]' where run_id = 'frontier'")
      yield* world.sql(
        "update perdure.run_node_state set inputs = '{\"in\": 3}' where run_id = 'firing' and node_id = 'approval'"
      )
      yield* world.sql(
        "update perdure.run_inbox_messages set payload = '{broken' where run_id = 'message' and node_id = 'approval'"
      )
      const client = yield* world.start({ workflows: chain(), settings: { maxRuns: 0 } })
      for (const runId of ids) {
        yield* client.engine.trigger(Approved, runId, "approval", { approved: true }, { inputId: "1" })
      }
      yield* world.sql("update perdure.trigger_inputs set payload = '{broken' where run_id = 'input'")
      const second = yield* world.start({ workflows: approved() })
      expect(yield* second.engine.await(Approved, "good")).toMatchObject({ n: { value: 4 } })
      const tables = {
        frontier: "run_state",
        firing: "run_node_state",
        message: "run_inbox_messages",
        input: "trigger_inputs"
      }
      for (const [runId, table] of Object.entries(tables)) {
        const { reason, worker } = yield* world.until(runId, "parked")
        expect(reason).toMatch(new RegExp(`^UndecodableRow: .*${table}`))
        expect(worker).toBeNull()
      }
      expect(yield* world.sql(stranded)).toEqual([])
    }),
  { damages: true }
)

scenario(
  "a run whose graph lacks a node of its rows is parked, and others of the same workflow go on",
  (world) =>
    Effect.gen(function* () {
      const first = yield* world.start({ workflows: approved(), settings: { idleMs: 0 } })
      for (const runId of ["renamed", "good"]) {
        yield* first.engine.start(Approved, { n: 1 }, { runId })
        yield* world.untilReleased(runId)
      }
      yield* first.stop
      yield* world.sql(
        "update perdure.run_state set frontier = replace(frontier::text, 'approval', 'vanished')::jsonb where run_id = 'renamed'"
      )
      const second = yield* world.start({ workflows: approved() })
      for (const runId of ["renamed", "good"]) {
        yield* second.engine.trigger(Approved, runId, "approval", { approved: true }, { inputId: "1" })
      }
      yield* second.engine.awaitEnd("good")
      expect(yield* world.until("renamed", "parked")).toMatchObject({ reason: expect.stringContaining("vanished") })
    }),
  { damages: true }
)
