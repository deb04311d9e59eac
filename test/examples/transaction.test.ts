import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { Engine } from "perdure"
import { Booking, layer } from "../../examples/transaction/app.js"
import { freshDatabase } from "../support/database.js"

it.live("a booking in the application's table is made exactly once per run", () =>
  Effect.scoped(
    Effect.flatMap(freshDatabase(), ({ url }) =>
      Effect.gen(function* () {
        const engine = yield* Engine
        for (const runId of ["a", "b", "a"]) yield* engine.start(Booking, { account: "ada", amount: 40 }, { runId })
        const balances = yield* Effect.all([engine.await(Booking, "a"), engine.await(Booking, "b")])
        expect(balances.map(({ balance }) => balance).sort()).toEqual([40, 80])
      }).pipe(Effect.provide(Layer.orDie(layer(Redacted.make(url)))))
    )
  )
)
