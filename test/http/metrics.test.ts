import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { describe, expect, it } from "vitest"
import { hintsDropped } from "../../src/postgres/PgWakeups.js"
import type { WorkerStanding } from "../../src/store/Overview.js"
import { incarnation } from "../postgres/harness.js"
import { engineOf, operatorOf, serving, standing } from "./harness.js"

const worker = (number: number): WorkerStanding => ({
  ...{ incarnation: incarnation(number), workerId: "server", alive: true, hasSession: true, room: 1, serves: [] },
  ...{ startedAt: new Date(0), heartbeatAt: new Date(0), runs: number }
})

/** Of the dead one still holds runs. */
const dead = (number: number): WorkerStanding => ({ ...worker(number), alive: false, runs: number - 3 })

describe("The figures", () => {
  const operator = operatorOf({
    workers: Effect.succeed([worker(1), worker(2), ...[3, 4].map(dead)]),
    condition: Effect.succeed({
      ...{ ...standing, listening: "broken", sweptMsAgo: 1_500, auditWaiting: 7 },
      ...{ slots: { taken: 3, size: 20 }, runs: { held: 4, most: 50 } }
    })
  })
  const server = serving(engineOf({}), { operator })

  it("tell processes of one name apart", async () => {
    const { text } = await server.send({ path: "/metrics" })
    for (const number of [1, 2]) {
      const labels = `{worker="server",incarnation="${incarnation(number)}"}`
      expect(text).toContain(`perdure_runs_held${labels} ${number}\n`)
      expect(text).toContain(`perdure_lease_age_seconds${labels} `)
    }
  })

  it("tell the age of the leases that are held, those of the dead among them", async () => {
    const { text } = await server.send({ path: "/metrics" })
    expect(text).toContain('perdure_workers{state="dead"} 2\n')
    expect(text).toContain(`perdure_lease_age_seconds{worker="server",incarnation="${incarnation(4)}"} `)
    expect(text).not.toContain(incarnation(3))
  })

  it("tell how full this process is, and whether it hears and sweeps", async () => {
    const { text } = await server.send({ path: "/metrics" })
    const lines = [
      ...['perdure_slots{state="taken"} 3', 'perdure_slots{state="size"} 20', 'perdure_runs_in_memory{state="held"} 4'],
      ...['perdure_runs_in_memory{state="most"} 50', 'perdure_queue_depth{queue="audit"} 7', "perdure_listener_up 0"],
      "perdure_sweep_age_seconds 1.5"
    ]
    for (const line of lines) expect(text).toContain(`${line}\n`)
  })

  it("count the hints that were dropped, named as counters are", async () => {
    await Effect.runPromise(Metric.incrementBy(hintsDropped, 3))
    const { text } = await server.send({ path: "/metrics" })
    expect(text).toContain("# TYPE perdure_hints_dropped_total counter\nperdure_hints_dropped_total 3\n")
  })
})
