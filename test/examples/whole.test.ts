import { execFile } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { build } from "esbuild"
import { freshDatabase } from "../support/database.js"
import { empty } from "../support/serverDatabase.js"

const root = fileURLToPath(new URL("../..", import.meta.url))

const application = `
  import { Effect, Layer, Redacted, Schema } from "effect"
  import { Engine, Node, Perdure, Workflow } from "perdure"

  const Double = Node.make("double", { inputs: { n: Schema.Number }, outputs: { n: Schema.Number } })
  const Doubled = Workflow.make("doubled", { version: 1, input: { n: Schema.Number } })
    .node("double", Double, ({ input }) => ({ n: input.n }))
    .output(({ double }) => ({ n: double.n }))

  const live = Doubled.layer.pipe(
    Layer.provide(Double.toLayer(({ n }) => Effect.succeed({ n: n * 2 }))),
    Layer.provideMerge(Perdure.layerEngine()),
    Layer.provide(Perdure.layerPostgres({ url: Redacted.make(process.argv[2]) }))
  )
  const program = Effect.gen(function* () {
    const engine = yield* Engine
    yield* engine.start(Doubled, { n: 21 }, { runId: "a" })
    console.log((yield* engine.await(Doubled, "a")).n)
  })
  Effect.runPromise(Effect.provide(program, live))`

/** As an application is bundled that must start quickly; the embedded database is loaded only where it is used. */
const bundle = (outfile: string) =>
  build({
    stdin: { contents: application, resolveDir: root, loader: "ts" },
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    // What is published, and not the sources.
    alias: { perdure: "./dist/index.js" },
    absWorkingDir: root,
    external: ["@electric-sql/pglite", "pg-native"],
    banner: { js: `import { createRequire } from "node:module"; const require = createRequire(import.meta.url)` },
    logLevel: "silent"
  })

it.scopedLive("An application may have Perdure in its one file: an empty database is migrated, and a run ends", () =>
  Effect.gen(function* () {
    const { url } = yield* freshDatabase(empty)
    const folder = yield* Effect.acquireRelease(
      Effect.promise(() => mkdtemp(join(tmpdir(), "perdure-whole-"))),
      (made) => Effect.promise(() => rm(made, { recursive: true }))
    )
    const file = join(folder, "application.mjs")
    const { warnings } = yield* Effect.promise(() => bundle(file))
    expect(warnings).toEqual([])
    const { stdout } = yield* Effect.promise(() => promisify(execFile)(process.execPath, [file, url], { cwd: folder }))
    expect(stdout.trim()).toBe("42")
  })
)
