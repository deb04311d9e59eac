import { execFile, execFileSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import * as HttpApi from "@effect/platform/HttpApi"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Context from "effect/Context"
import * as Option from "effect/Option"
import { describe, expect, it } from "vitest"
import { settingsTable } from "../src/cli/config.js"
import { Api } from "../src/http/Contract.js"
import { routesOf } from "../src/http/Routes.js"
import { firingTransitions, runTransitions } from "../src/model/Status.js"

const root = fileURLToPath(new URL("..", import.meta.url))
const read = (path: string) => readFileSync(join(root, path), "utf8")

const diagram = (table: Record<string, ReadonlyArray<string>>): string => {
  const moves = Object.entries(table).flatMap(([from, targets]) => targets.map((to) => `  ${from} --> ${to}`))
  const final = Object.entries(table).flatMap(([from, targets]) => (targets.length === 0 ? [`  ${from} --> [*]`] : []))
  return ["```mermaid", "stateDiagram-v2", ...moves, ...final, "```"].join("\n")
}

/** Each file says its guarantee in the name of its first `describe`. */
const guarantees = (): string =>
  readdirSync(join(root, "test/guarantees"))
    .filter((file) => file.endsWith(".test.ts"))
    .sort()
    .map((file) => {
      const title = /describe\(\s*["'`](.+?)["'`]/.exec(read(`test/guarantees/${file}`))?.[1] ?? file
      return `- [${title}](test/guarantees/${file})`
    })
    .join("\n")

/** Each route with who may call it and what its summary says. */
const routes = (): string => {
  const summaries = new Map<string, string>()
  HttpApi.reflect(Api, {
    onGroup: () => undefined,
    onEndpoint: ({ endpoint, mergedAnnotations }) =>
      summaries.set(
        endpoint.name,
        Option.getOrElse(Context.getOption(mergedAnnotations, OpenApi.Summary), () => "")
      )
  })
  const rows = routesOf(Api).map(
    ({ access, method, name, path }) => `| ${method} | \`${path}\` | ${access} | ${summaries.get(name)} |`
  )
  return ["| method | path | who | does |", "| --- | --- | --- | --- |", ...rows].join("\n")
}

/** What the commands say of themselves. */
const commands = (): string => {
  const help = (...args: ReadonlyArray<string>) =>
    execFileSync(process.execPath, ["--import", "tsx", "src/cli/perdure.ts", ...args, "--help"], { cwd: root })
      .toString()
      .split("\n")
      .filter((line) => line.startsWith("  ") && !line.startsWith("  perdure"))
      .map((line) => `${["perdure", ...args].join(" ")} ${line.trim()}`)
  return ["```text", ...help(), ...help("runs"), "```"].join("\n")
}

const blocks: Record<string, () => string> = {
  "examples/smallest/main.ts": () => `\`\`\`ts\n${read("examples/smallest/main.ts").trim()}\n\`\`\``,
  "run states": () => diagram(runTransitions),
  "firing states": () => diagram(firingTransitions),
  guarantees,
  "examples/page/page.ts": () => `\`\`\`ts\n${read("examples/page/page.ts").trim()}\n\`\`\``,
  routes,
  commands,
  settings: () => settingsTable()
}

const generated = (readme: string): string =>
  Object.entries(blocks).reduce((text, [name, make]) => {
    const [open, close] = [`<!-- generated: ${name} -->`, "<!-- /generated -->"]
    const start = text.indexOf(open)
    if (start < 0) throw new Error(`README.md has no place for ${name}`)
    return `${text.slice(0, start)}${open}\n${make()}\n${text.slice(text.indexOf(close, start))}`
  }, readme)

describe("README", () => {
  it("shows what the code says: the program, the state machines, the guarantees, routes, commands, settings (UPDATE_README=1 rewrites it)", () => {
    const expected = generated(read("README.md"))
    if (process.env["UPDATE_README"] === "1") writeFileSync(join(root, "README.md"), expected)
    expect(read("README.md")).toBe(expected)
  })

  it.each(["README.md", "examples/from-event-sourcing/README.md"])("links in %s lead somewhere", (file) => {
    const links = [...read(file).matchAll(/\]\((?!https?:)([^)#]+)/g)].map((match) => match[1]!)
    expect(links.filter((link) => !existsSync(join(root, dirname(file), link)))).toEqual([])
  })

  it("has a smallest program that runs", async () => {
    // Rejects unless it ends with 0.
    const program = ["--import", "tsx", "examples/smallest/main.ts"]
    const { stderr, stdout } = await promisify(execFile)(process.execPath, program, { cwd: root })
    expect(stderr).toBe("")
    expect(stdout).toContain("Hello, Ada")
  }, 300_000)
})
