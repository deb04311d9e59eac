import * as Effect from "effect/Effect"
import { expect, it } from "vitest"
import { RunId } from "../../src/model/Ids.js"
import { follow } from "./events.js"
import { engineOf, operatorOf, serving } from "./harness.js"

const last = 3_500n

/** A log of which each row tells that a run has completed. */
const recent = (after: bigint | undefined, limit: number) =>
  Effect.sync(() => {
    const first = after ?? last
    const length = Math.min(limit, Number(last - first))
    const rows = Array.from({ length }, (_, place) => {
      const seq = first + BigInt(place) + 1n
      const event = {
        ...{ seq: String(seq), runId: RunId.make(`r-${seq}`), kind: "run.completed", at: 0 },
        ...{ nodeId: null, firing: null, attempt: null, version: null, detail: null }
      }
      return { seq, events: [event] }
    })
    return { rows, last }
  })

const server = serving(engineOf({}), { operator: operatorOf({ recent }), settings: { streamMs: 5 } })

it("A reader of all runs who comes back is told of everything, page by page", async () => {
  const reader = await follow(server.port, "/api/stream", { "last-event-id": "100" })
  const seen = await reader.until(({ event, id }) => event === "skipped" || id === String(last))
  reader.close()
  expect(new Set(seen.map(({ event }) => event))).toEqual(new Set(["runs"]))
  const told = seen.flatMap(({ data }) => (data as ReadonlyArray<{ runId: string }>).map(({ runId }) => runId))
  expect(told).toEqual(Array.from({ length: 3_400 }, (_, place) => `r-${place + 101}`))
  expect(
    seen.map(({ data, id }) => (data as ReadonlyArray<{ runId: string }>).at(-1)?.runId === `r-${id}`)
  ).not.toContain(false)
})
