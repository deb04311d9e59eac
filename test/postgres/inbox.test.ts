import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { MessageRow } from "../../src/model/Message.js"
import { Inbox, type PendingRange } from "../../src/store/Inbox.js"
import { StateStore } from "../../src/store/StateStore.js"
import { writeAll } from "../../src/store/Transactor.js"
import { both, commit, endedBefore, message, one, query, runId, start, transact } from "./harness.js"

const append = (id: string, ...messages: ReadonlyArray<MessageRow>) =>
  Effect.flatMap(Inbox, (inbox) => transact(writeAll(inbox.append([commit(id, { messages })]))))

const range = (id: string, from: readonly [number, number], producer = "a.out"): PendingRange => ({
  runId: runId(id),
  nodeId: "n",
  handle: "in",
  producer,
  from: { firing: from[0], ordinal: from[1] }
})

const pending = (ranges: ReadonlyArray<PendingRange>, limit?: number) =>
  Effect.flatMap(Inbox, (inbox) => transact(inbox.pending(ranges, limit)))

const positions = (messages: ReadonlyArray<{ readonly firing: number; readonly ordinal: number }>) =>
  messages.map((one) => [one.firing, one.ordinal])

describe("pending messages", () => {
  both(
    "come in position order from a position on, whatever order they were written in",
    Effect.gen(function* () {
      yield* append("r", message("n", [2, 0], "c"), message("n", [1, 1], "b"))
      yield* append("r", message("n", [10, 0], "d"), message("n", [1, 0], "a"), message("m", [1, 0], "elsewhere"))
      const all = yield* pending([range("r", [0, 0])])
      expect(positions(all.messages)).toEqual([
        [1, 0],
        [1, 1],
        [2, 0],
        [10, 0]
      ])
      expect(all.messages[0]).toEqual({ ...message("n", [1, 0], "a"), runId: "r" })
      expect(positions((yield* pending([range("r", [1, 1])])).messages)).toEqual([
        [1, 1],
        [2, 0],
        [10, 0]
      ])
      expect(positions((yield* pending([range("r", [1, 1])], 2)).messages)).toEqual([
        [1, 1],
        [2, 0]
      ])
      expect((yield* pending([range("r", [11, 0])])).messages).toEqual([])
    })
  )

  both(
    "of several ranges come range by range, with a limit for each",
    Effect.gen(function* () {
      const from = (producer: string, at: readonly [number, number]) => ({ ...message("n", at, producer), producer })
      yield* append("r", from("b.out", [1, 0]), from("b.out", [2, 0]), from("a.out", [1, 0]), from("a.out", [2, 0]))
      const found = yield* pending([range("r", [0, 0], "b.out"), range("r", [0, 0])], 1)
      expect(found.messages.map((one) => one.producer)).toEqual(["b.out", "a.out"])
    })
  )

  both(
    "keep every value that has a JSON form, and tombstones their cause",
    Effect.gen(function* () {
      const values = [null, "", "a\u0000b", "\ud800", -0, 1e308, [[]], { z: 1, a: { "": null } }]
      const rows = values.map((value, index): MessageRow => {
        const text = Object.is(value, -0) ? "-0" : JSON.stringify(value)
        return { ...message("n", [1, index], null), content: { _tag: "Live", text, value: JSON.parse(text) } }
      })
      const dead: MessageRow = { ...message("n", [2, 0], null), content: { _tag: "Tombstone", cause: "not_taken" } }
      yield* append("r", ...rows, dead)
      const found = yield* pending([range("r", [0, 0])])
      expect(found.messages.map((one) => one.content)).toEqual([...rows, dead].map((row) => row.content))
    })
  )

  both(
    "that can't be read are reported with their run, and other runs get theirs",
    Effect.gen(function* () {
      yield* append("broken", message("n", [1, 0], 1), message("n", [2, 0], 2))
      yield* append("fine", message("n", [1, 0], 1))
      yield* query(`update perdure.run_inbox_messages set payload = '{"x":' where run_id = 'broken' and firing = 2`)
      const found = yield* pending([range("broken", [0, 0]), range("fine", [0, 0])])
      expect(found.messages.map((one) => one.runId)).toEqual(["fine"])
      expect(found.undecodable).toMatchObject([
        {
          runId: "broken",
          error: { _tag: "UndecodableRow", table: "run_inbox_messages", key: "broken/n/in/a.out/2/0" }
        }
      ])
    })
  )
})

describe("an inbox", () => {
  both(
    "tells the highest position of each producer",
    Effect.gen(function* () {
      yield* append(
        "r",
        message("n", [1, 7], 0),
        message("n", [3, 0], 0),
        message("n", [3, 1], 0),
        { ...message("n", [2, 4], 0), producer: "b.out" },
        { ...message("m", [9, 0], 0), producer: "b.out" }
      )
      const inbox = yield* Inbox
      expect(yield* transact(inbox.highest(runId("r"), "n", "in"))).toEqual([
        { producer: "a.out", firing: 3, ordinal: 1 },
        { producer: "b.out", firing: 2, ordinal: 4 }
      ])
      expect(yield* transact(inbox.highest(runId("r"), "x", "in"))).toEqual([])
    })
  )

  both(
    "marks what nobody will take",
    Effect.gen(function* () {
      yield* append("r", message("n", [1, 0], 1), message("n", [1, 1], 2))
      const inbox = yield* Inbox
      const { content: _, discarded: __, ...ref } = message("n", [1, 1], null)
      yield* transact(writeAll(inbox.discard([commit("r", { discarded: [ref] })])))
      expect((yield* pending([range("r", [0, 0])])).messages.map((one) => one.discarded)).toEqual([false, true])
    })
  )

  both(
    "marks what a reader has left, from where it stopped",
    Effect.gen(function* () {
      yield* append("r", message("n", [1, 0], 1), message("n", [1, 1], 2), message("n", [2, 0], 3))
      yield* append("r", { ...message("n", [2, 0], 4), producer: "b.out" })
      const inbox = yield* Inbox
      const { content: _, discarded: __, ...ref } = message("n", [1, 1], null)
      yield* transact(writeAll(inbox.discard([commit("r", { unread: [ref] })])))
      const of = (producer: string) => pending([{ ...range("r", [0, 0]), producer }])
      expect((yield* of("a.out")).messages.map((one) => one.discarded)).toEqual([false, true, true])
      expect((yield* of("b.out")).messages.map((one) => one.discarded)).toEqual([false])
    })
  )

  both(
    "is cleaned up once its run has ended long enough ago, at most so many rows at a time",
    Effect.gen(function* () {
      const states = yield* StateStore
      const ids = ["live", "old", "older", "young"]
      yield* transact(states.start(ids.map((id) => start(id, {}, { status: id === "live" ? "pending" : "completed" }))))
      for (const id of ids) yield* append(id, ...[0, 1, 2].map((ordinal) => message("n", [1, ordinal], ordinal)))
      yield* query(`update perdure.run_state set ended_at = ended_at - interval '1 h' * position(run_id in 'x old older')
        where run_id in ('old', 'older')`)
      const inbox = yield* Inbox
      const now = Number((yield* one("select (extract(epoch from now()) * 1000)::float8 as now"))["now"])
      const sweep = Effect.map(transact(inbox.cleanup(endedBefore(new Date(now - 60_000)), 2)), ({ rows }) => rows)
      const counts: Array<number> = []
      for (let i = 0; i < 6; i++) counts.push(yield* sweep)
      expect(counts).toEqual([2, 2, 2, 0, 0, 0])
      expect(yield* query("select distinct run_id from perdure.run_inbox_messages order by 1")).toEqual([
        { run_id: "live" },
        { run_id: "young" }
      ])
    })
  )
})
