import { execFile } from "node:child_process"
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { afterAll, beforeAll, expect, it } from "vitest"

const require = createRequire(import.meta.url)
const rules: { readonly forbidden: ReadonlyArray<{ readonly name: string }> } = require("../.dependency-cruiser.cjs")

/** For each rule a file and the import that breaks it. */
const offences: ReadonlyArray<readonly [rule: string, from: string, code: string]> = [
  ["model-imports-nothing", "src/model/A.ts", `import "../definition/Fine.js"`],
  ["definition-above-model", "src/definition/A.ts", `import "../store/Fine.js"`],
  ["store-above-definition", "src/store/A.ts", `import type { Fine } from "../runtime/Fine.js"`],
  ["runtime-above-store", "src/runtime/A.ts", `import "../Engine.js"`],
  ["postgres-implements-ports", "src/postgres/A.ts", `import "../runtime/Fine.js"`],
  ["engine-above-runtime", "src/Engine.ts", `import "./http/Fine.js"`],
  ["client-knows-no-server", "src/client/A.ts", `import "../http/Fine.js"`],
  ["http-and-cli-on-top", "src/http/A.ts", `import "../cli/Fine.js"`],
  ["adapters-only-in-roots", "src/http/B.ts", `import "../postgres/Fine.js"`],
  ["database-clients-only-in-postgres", "src/runtime/B.ts", `import type { Pool } from "pg"`],
  ["database-clients-only-in-postgres", "src/testing/A.ts", `import "@effect/sql-pg"`],
  ["engine-knows-sql-by-type", "src/Engine.ts", `import { SqlClient } from "@effect/sql"`],
  ["engine-knows-no-driver", "src/Engine.ts", `import type { Pool } from "pg"`],
  ["definitions-run-in-a-browser", "src/definition/B.ts", `import "node:crypto"`],
  ["definitions-run-in-a-browser", "src/model/B.ts", `import "@effect/platform-node"`],
  ["barrel-is-for-users", "src/cli/A.ts", `import "../index.js"`],
  ["test-kit-is-a-leaf", "src/cli/B.ts", `import "../testing/Fine.js"`],
  ["src-stands-alone", "src/cli/C.ts", `import "../../test/Fine.js"`],
  ["no-dev-dependency-in-src", "src/testing/B.ts", `import "vitest"`],
  ["optional-peers-apart", "src/http/Otel.ts", `import "@effect/opentelemetry"`],
  ["no-cycle", "src/store/Loop.ts", `import type { Loop } from "./Pool.js"`],
  ["resolvable", "src/store/C.ts", `import "./nowhere.js"`]
]

/** Imports that every direction allows. */
const permitted: ReadonlyArray<readonly [from: string, code: string]> = [
  ...["model", "definition", "store", "runtime", "postgres", "client", "http", "cli", "testing"].map(
    (folder) => [`src/${folder}/Fine.ts`, "export type Fine = 1"] as const
  ),
  ["src/index.ts", `export * from "./Engine.js"`],
  ["src/store/Pool.ts", `export type { Loop } from "./Loop.js"`],
  ["src/runtime/Good.ts", `import "../model/Fine.js"\nimport "../store/Fine.js"`],
  ["src/Engine.ts", `import type { SqlClient } from "@effect/sql/SqlClient"\nimport "./runtime/Fine.js"`],
  ["src/http/server.ts", `import "../postgres/Fine.js"\nimport "../Engine.js"`],
  ["src/cli/Good.ts", `import "../postgres/Fine.js"\nimport "../http/server.js"`],
  ["src/postgres/Good.ts", `import "pg"\nimport "@effect/sql"\nimport "../store/Fine.js"`],
  ["src/definition/Good.ts", `import { Effect } from "effect"\nimport "../model/Fine.js"`],
  ["test/Fine.ts", `import "vitest"\nimport "../src/postgres/Fine.js"`]
]

interface Violation {
  readonly rule: { readonly name: string }
  readonly from: string
  readonly to: string
}

let folder: string
let violations: ReadonlyArray<Violation>

const packageNames = [
  "effect",
  "pg",
  "vitest",
  "@effect/sql",
  "@effect/sql-pg",
  "@effect/platform-node",
  "@effect/opentelemetry"
]

const writePackages = () =>
  Promise.all(
    packageNames.map(async (name) => {
      const path = join(folder, "node_modules", name)
      await mkdir(path, { recursive: true })
      await writeFile(join(path, "package.json"), JSON.stringify({ name, main: "index.js" }))
      await writeFile(join(path, "index.js"), "")
      await writeFile(join(path, "SqlClient.js"), "")
    })
  )

const writeSources = async () => {
  const files = new Map<string, string>()
  for (const [from, code] of [...permitted, ...offences.map(([, from, code]) => [from, code] as const)]) {
    files.set(from, `${files.get(from) ?? ""}${code}\n`)
  }
  for (const [path, code] of files) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), code)
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "perdure-directions-"))
  const entries = packageNames.map((name) => [name, "1.0.0"])
  const isDev = ([name]: ReadonlyArray<string>) => name === "vitest"
  const manifest = {
    type: "module",
    dependencies: Object.fromEntries(entries.filter((entry) => !isDev(entry))),
    devDependencies: Object.fromEntries(entries.filter(isDev))
  }
  await writeFile(join(folder, "package.json"), JSON.stringify(manifest))
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: { module: "NodeNext" } }))
  await writePackages()
  await writeSources()
  const command = fileURLToPath(new URL("../node_modules/.bin/depcruise", import.meta.url))
  const config = require.resolve("../.dependency-cruiser.cjs")
  const args = ["--config", config, "--output-type", "json", "src", "test"]
  const { stdout } = await promisify(execFile)(command, args, { cwd: folder })
  violations = JSON.parse(stdout).summary.violations
})

afterAll(() => rm(folder, { recursive: true, force: true }))

it.each(offences)("%s fires on %s", (rule, from) => {
  expect(violations.map((violation) => `${violation.rule.name} ${violation.from}`)).toContain(`${rule} ${from}`)
})

it("fires on nothing else", () => {
  const isPlanted = ({ rule, from }: Violation) => offences.some((one) => one[0] === rule.name && one[1] === from)
  expect(violations.filter((violation) => !isPlanted(violation))).toEqual([])
  expect(violations.filter(({ to }) => to.endsWith("SqlClient.js"))).toEqual([])
})

it("has an offence for every rule", () => {
  expect(new Set(offences.map(([rule]) => rule))).toEqual(new Set(rules.forbidden.map(({ name }) => name)))
})
