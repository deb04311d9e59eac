import { fileURLToPath } from "node:url"
import ts from "typescript"
import { expect, it } from "vitest"

const folder = fileURLToPath(new URL(".", import.meta.url))
const settings = ts.readConfigFile(fileURLToPath(new URL("../../tsconfig.json", import.meta.url)), ts.sys.readFile)
const { options } = ts.parseJsonConfigFileContent(settings.config, ts.sys, folder, { incremental: false, noEmit: true })

/** A workflow of a chain of nodes that also look back to the first one. */
const chain = (nodes: number): string => `
import * as Schema from "effect/Schema"
import * as Node from "../../src/definition/Node.js"
import * as Output from "../../src/definition/Output.js"
import * as Workflow from "../../src/definition/Workflow.js"
const Item = Schema.Struct({ id: Schema.String, at: Schema.Date })
const Step = Node.make("step", {
  inputs: { item: Item, first: Item },
  outputs: { item: Item, other: Output.optional(Item) },
  error: Schema.String
})
export const Chain = Workflow.make("chain", { version: 1, input: { item: Item } })
  .node("head", Step, ({ input }) => ({ item: input.item, first: input.item }))
  .node("n0", Step, ({ input, head }) => ({ item: input.item, first: head.item }))
${Array.from(
  { length: nodes },
  (_, i) => `  .node("n${i + 1}", Step, ({ head, n${i} }) => ({ item: n${i}.item, first: head.item }))`
).join("\n")}
  .output(({ n${nodes} }) => ({ item: n${nodes}.item }))
export const id: Workflow.Output<typeof Chain>["item"]["id"] = "last"
`

/** What it costs to check a chain: types instantiated, which are the same on every machine, and seconds of CPU for all that `tsc` does. */
const costOf = (nodes: number): { readonly instantiations: number; readonly seconds: number } => {
  const begun = process.cpuUsage()
  const path = `${folder}chain-${nodes}.ts`
  const host = ts.createCompilerHost(options, true)
  const { fileExists, getSourceFile } = host
  host.fileExists = (name) => name === path || fileExists(name)
  host.getSourceFile = (name, language, ...rest) =>
    name === path
      ? ts.createSourceFile(name, chain(nodes), language, true)
      : getSourceFile.call(host, name, language, ...rest)
  const program = ts.createProgram([path], options, host)
  const source = program.getSourceFile(path)
  expect(program.getSemanticDiagnostics(source).map(({ messageText }) => messageText)).toEqual([])
  const { system, user } = process.cpuUsage(begun)
  return { instantiations: program.getInstantiationCount(), seconds: (user + system) / 1_000_000 }
}

it("type-checks a chain of 100 nodes at a cost per node that stays small", () => {
  const few = costOf(10)
  const many = costOf(100)
  // Measured: 1,400; and 5.3 s with 100 nodes, 4.5 s with two: what is imported has to be read and checked as well.
  // Below 10 s is meant; a machine that is three times slower must not fail for it.
  expect((many.instantiations - few.instantiations) / 90).toBeLessThan(3_000)
  expect(many.seconds).toBeLessThan(30)
}, 300_000)
