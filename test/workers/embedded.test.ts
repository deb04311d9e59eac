import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Limits } from "../../src/model/Limits.js"
import * as EmbeddedDatabase from "../../src/postgres/embedded/EmbeddedDatabase.js"
import { migrate } from "../../src/postgres/Migrations.js"
import * as PgTransactor from "../../src/postgres/PgTransactor.js"
import * as Pool from "../../src/postgres/Pool.js"
import { Chain } from "../engine/fixtures.js"
import { chain } from "../engine/handlers.js"
import { startProcess } from "../engine/process.js"

it.live(
  "A10 on the embedded database: a step of which process after process dies parks alone, its neighbours end",
  () =>
    Effect.gen(function* () {
      const { pool } = yield* EmbeddedDatabase.open({ dataDir: undefined })
      yield* Effect.provide(migrate(), Layer.provide(PgTransactor.layer, Pool.layerFromPool(pool)))
      const beside: Array<number> = []
      const lives = Limits.crashesBeforeAlone + Limits.crashesBeforeParking
      for (let life = 0; life <= lives; life++) {
        const died = yield* Deferred.make<void>()
        let atWork = 0
        const workflows = chain((context) =>
          Effect.suspend(() => {
            atWork++
            if (context.runId !== "poison")
              return Effect.ensuring(
                Effect.sleep("50 millis"),
                Effect.sync(() => atWork--)
              )
            beside.push(atWork)
            return Effect.zipRight(Deferred.succeed(died, undefined), Effect.never)
          })
        )
        const process = yield* startProcess({ embedded: pool }, { workflows })
        if (life === 0) {
          for (const runId of ["a", "b", "poison", "c"]) yield* process.engine.start(Chain, { n: 1 }, { runId })
        }
        if (life < lives) {
          yield* Deferred.await(died)
          process.halt()
          continue
        }
        for (const runId of ["a", "b", "c"]) expect(yield* process.engine.await(Chain, runId)).toEqual({ n: 4 })
        const explained = yield* Effect.repeat(process.engine.explain("poison"), {
          until: ({ _tag }) => _tag === "Parked"
        })
        expect(explained).toMatchObject({
          reason: expect.stringMatching(/^Poison: the process died 5 times while first\/1 ran/)
        })
      }
      expect(beside.slice(Limits.crashesBeforeAlone)).toEqual([1, 1, 1])
    }).pipe(Effect.scoped)
)

const root = fileURLToPath(new URL("../..", import.meta.url))

const server = (dataDir: string) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, ["--import", "tsx", "src/main.ts"], {
        cwd: root,
        env: { PATH: process.env["PATH"], PERDURE_PORT: "0", PERDURE_DATA_DIR: dataDir }
      })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

const ready = (child: ChildProcess) =>
  Effect.async<void>((resume) => {
    child.stdout?.once("data", () => resume(Effect.void))
  })

it.live("B11 a second process on one embedded folder is refused, and the first one does not notice", () =>
  Effect.gen(function* () {
    const folder = mkdtempSync(join(tmpdir(), "perdure-folder-"))
    yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true, force: true })))
    const dataDir = join(folder, "data")
    const first = yield* server(dataDir)
    yield* ready(first)
    const second = yield* server(dataDir)
    let said = ""
    second.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString()
    })
    const code = yield* Effect.async<number | null>((resume) => {
      second.once("close", (ended) => resume(Effect.succeed(ended)))
    })
    expect({ code, said }).toEqual({
      code: 1,
      said: `perdure: the data folder ${dataDir} is in use by process ${first.pid}\n`
    })
    expect(first.exitCode).toBe(null)
  }).pipe(Effect.scoped)
)
