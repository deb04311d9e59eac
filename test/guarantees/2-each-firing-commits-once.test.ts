import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { loseAcknowledgement, refuse } from "../engine/faults.js"
import { Chain, Fan } from "../engine/fixtures.js"
import { chain, fan, makeGate } from "../engine/handlers.js"
import { scenario } from "../engine/world.js"

/** Firings by how often their row was completed, from the record of each message they emitted. */
const emitted = `
  select n.node_id, n.firing, (select sum(value::int4) from jsonb_each_text(n.emitted))::int4 as said,
    (
      select count(distinct (m.producer, m.ordinal))::int4 from perdure.run_inbox_messages m
      where m.run_id = n.run_id and m.producer like n.node_id || '.%' and m.firing = n.firing and m.payload is not null
    ) as found
  from perdure.run_node_state n where n.status = 'completed'`

scenario("what committed firings say they emitted is what inboxes received, whoever died in between", (world) =>
  Effect.gen(function* () {
    let process = yield* world.start({ workflows: fan() })
    for (const dying of [1, 4, 7]) {
      const gate = yield* makeGate
      yield* world.kill(process)
      process = yield* world.start({
        // None beyond it either: with two at once the other lane would go on past it until the process dies.
        workflows: fan((context) => (context.firing >= dying ? gate.hook(context) : Effect.void))
      })
      if (dying === 1) yield* process.engine.start(Fan, { n: 8, by: 3 }, { runId: "a" })
      yield* gate.arrived
    }
    yield* world.kill(process)
    const last = yield* world.start({ workflows: fan() })
    expect(yield* last.engine.await(Fan, "a")).toEqual({ total: 108 })
    const rows = yield* world.sql(emitted)
    expect(rows).toHaveLength(10)
    expect(rows.filter(({ found, said }) => found !== said)).toEqual([])
  })
)

scenario("every message of a completed run was taken by exactly one firing", (world) =>
  Effect.gen(function* () {
    const { engine } = yield* world.start({ workflows: fan(), settings: { alwaysEvict: true } })
    yield* engine.start(Fan, { n: 9, by: 3 }, { runId: "a" })
    yield* engine.awaitEnd("a")
    const taken = yield* world.sql(`
      select m.ordinal, count(n.firing)::int4 as firings
      from perdure.run_inbox_messages m left join perdure.run_node_state n
        on n.run_id = m.run_id and n.node_id = m.node_id
        and n.inputs -> m.handle -> 'ref' = jsonb_build_array(m.producer, m.firing, m.ordinal)
      where m.node_id = 'scale' and m.handle = 'part' group by m.ordinal`)
    expect(taken).toHaveLength(9)
    expect(taken.filter(({ firings }) => firings !== 1)).toEqual([])
  })
)

scenario("a commit that was written and not acknowledged is not written again", (world) =>
  Effect.gen(function* () {
    const { fault, pool } = loseAcknowledgement("runs")
    let count = 0
    const { engine } = yield* world.start({ workflows: chain(() => Effect.sync(() => count++)), pool })
    yield* engine.start(Chain, { n: 1 }, { runId: "a" })
    expect(yield* engine.await(Chain, "a")).toEqual({ n: 4 })
    expect({ count, lost: fault.happened, version: (yield* world.run("a")).version }).toEqual({
      count: 1,
      lost: 1,
      version: 3
    })
  })
)

scenario(
  "one run's refused commit harms none of those it was written with",
  (world) =>
    Effect.gen(function* () {
      yield* world.sql(`
      create function refuse_one() returns trigger language plpgsql as $$
      begin
        if new.run_id = 'poison' and new.status = 'completed' then raise exception 'no' using errcode = '23514'; end if;
        return new;
      end $$`)
      yield* world.sql(
        "create trigger refuse_one before insert or update on perdure.run_node_state for each row execute function refuse_one()"
      )
      const { engine } = yield* world.start({ workflows: chain() })
      const ids = ["poison", ...Array.from({ length: 30 }, (_, index) => `r${index}`)]
      yield* Effect.forEach(ids, (runId) => engine.start(Chain, { n: 1 }, { runId }), { concurrency: "unbounded" })
      for (const runId of ids.slice(1)) expect(yield* engine.await(Chain, runId)).toEqual({ n: 4 })
      expect(yield* world.until("poison", "parked")).toMatchObject({
        reason: expect.stringContaining("CommitRejected")
      })
    }),
  { fresh: true }
)

scenario("edges keep their order under concurrency, eviction and deadlocks", (world) =>
  Effect.gen(function* () {
    const { pool } = refuse("firings.write", "40P01", 5)
    const { engine } = yield* world.start({ workflows: fan(), pool, settings: { alwaysEvict: true } })
    yield* engine.start(Fan, { n: 12, by: 1 }, { runId: "a" })
    expect(yield* engine.await(Fan, "a")).toEqual({ total: 78 })
    const messages = yield* world.messages("a", "sum", "parts", "scale.out")
    expect(messages.map(({ content, firing }) => [firing, content._tag === "Live" && content.value])).toEqual(
      Array.from({ length: 12 }, (_, index) => [index + 1, index + 1])
    )
  })
)
