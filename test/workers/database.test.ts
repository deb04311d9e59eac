import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { invariantStatement } from "../../src/testing/invariants/check.js"
import { worldOn } from "../engine/world.js"
import { server } from "../support/postgresServer.js"
import { databaseOn } from "../support/serverDatabase.js"
import { names, openYard, startTwo } from "./support.js"

it.live("C1 a restart of the database is no death: every worker goes on with what it had", () =>
  Effect.gen(function* () {
    const postgres = yield* server()
    const { url } = yield* databaseOn(postgres.url)
    const world = yield* worldOn(url)
    const yard = yield* openYard(world)
    yield* startTwo(world, yard, { ids: names(40), ms: 3_000 })
    yield* Effect.promise(() => postgres.restart("immediate"))
    yield* Effect.forEach(names(40), (runId) => yard.client.engine.awaitEnd(runId), { concurrency: "unbounded" })
    expect(
      yield* world.sql("select max(crashes) as crashes, max(attempt) as attempt from perdure.run_node_state")
    ).toEqual([{ crashes: 0, attempt: 1 }])
    expect(yield* world.sql("select max(fence) as fence from perdure.run_state")).toEqual([{ fence: 1 }])
    expect(yield* world.sql(invariantStatement({ atRest: false }))).toEqual([])
  }).pipe(Effect.scoped)
)
