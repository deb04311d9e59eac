import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { build } from "esbuild"
import { describe, expect, it } from "vitest"
import { Greet, greeting, Hello } from "../../examples/page/page.js"
import { serve } from "../client/harness.js"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** Bundles a module as a page would have it; nothing is left to be found elsewhere. */
const bundle = (contents: string) =>
  build({
    stdin: { contents, resolveDir: root, loader: "ts" },
    absWorkingDir: root,
    bundle: true,
    write: false,
    platform: "browser",
    format: "esm",
    logLevel: "silent",
    alias: { "perdure/client": "./src/client/index.ts", "perdure/definition": "./src/definition/index.ts" }
  })

/** What a page can't have: modules of Node, and packages that need them. */
const foreign = /["']node:|node_modules\/(pg|@electric-sql|@effect\/(sql|platform-node))[/-]/

describe("A page", () => {
  it("starts runs of the workflows it shares with the server, and has their typed results", () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const handlers = Greet.toLayer(({ name }) => Effect.succeed({ greeting: `Hello, ${name}` }))
        const { url } = yield* serve(Layer.provide(Hello.layer, handlers))
        expect(yield* greeting(url, "Ada")).toBe("Hello, Ada")
      }).pipe(Effect.scoped)
    ))

  it("is bundled without anything of Node", async () => {
    const { outputFiles, warnings } = await bundle(`export * from "./examples/page/page.ts"`)
    expect(warnings).toEqual([])
    expect(outputFiles[0]?.text).toContain("hello")
    expect(outputFiles[0]?.text).not.toMatch(foreign)
  })

  it("has all of both entries", async () => {
    const all = `export * as a from "perdure/definition"; export * as b from "perdure/client"`
    const { outputFiles } = await bundle(all)
    expect(outputFiles[0]?.text).not.toMatch(foreign)
  })

  it("can't have the whole package (this test sees it)", async () => {
    await expect(bundle(`export { Node } from "./src/index.ts"; export * from "./src/index.ts"`)).rejects.toThrow(
      "node:"
    )
  })
})
