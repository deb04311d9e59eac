import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Declined, Fan, QuickCharge } from "../engine/fixtures.js"
import { fan, makeGate, quickCharge } from "../engine/handlers.js"
import { scenario } from "../engine/world.js"

scenario("an effect whose process dies before its commit happens again, under the same key", (world) =>
  Effect.gen(function* () {
    const ledger: Array<string> = []
    const after = yield* makeGate
    const first = yield* world.start({
      workflows: quickCharge((n, context) =>
        // the effect is done, the commit is not
        Effect.sync(() => ledger.push(context.idempotencyKey)).pipe(
          Effect.zipRight(after.hook(context)),
          Effect.as({ out: n })
        )
      )
    })
    yield* first.engine.start(QuickCharge, { n: 5 }, { runId: "a" })
    yield* after.arrived
    yield* world.kill(first)
    const second = yield* world.start({
      workflows: quickCharge((n, { idempotencyKey }) =>
        Effect.as(
          Effect.sync(() => ledger.push(idempotencyKey)),
          { out: n }
        )
      )
    })
    yield* second.engine.awaitEnd("a")
    expect(ledger).toEqual(["a/charge/1", "a/charge/1"])
  })
)

scenario("attempts of one firing share its key", (world) =>
  Effect.gen(function* () {
    const keys = new Set<string>()
    const { engine } = yield* world.start({
      workflows: quickCharge((n, { attempt, idempotencyKey }) => {
        keys.add(idempotencyKey)
        return attempt < 3 ? new Declined({ code: 1 }) : Effect.succeed({ out: n })
      })
    })
    yield* engine.start(QuickCharge, { n: 5 }, { runId: "a" })
    yield* engine.awaitEnd("a")
    expect([...keys]).toEqual(["a/charge/1"])
  })
)

scenario("an outside ledger by key has one entry for each committed firing, whatever died", (world) =>
  Effect.gen(function* () {
    const ledger = new Set<string>()
    const write = (context: { readonly idempotencyKey: string }) =>
      Effect.sync(() => ledger.add(context.idempotencyKey))
    for (const dying of [2, 5]) {
      const gate = yield* makeGate
      const process = yield* world.start({
        workflows: fan((context) =>
          Effect.zipRight(write(context), context.firing === dying ? gate.hook(context) : Effect.void)
        )
      })
      if (dying === 2) yield* process.engine.start(Fan, { n: 6, by: 1 }, { runId: "a" })
      yield* gate.arrived
      yield* world.kill(process)
    }
    const last = yield* world.start({ workflows: fan(write) })
    yield* last.engine.awaitEnd("a")
    const committed = yield* world.sql(`
      select run_id || '/' || node_id || '/' || firing as key from perdure.run_node_state
      where node_id = 'scale' and status = 'completed'`)
    expect([...ledger].sort()).toEqual(committed.map(({ key }) => key).sort())
  })
)
