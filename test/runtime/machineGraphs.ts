import type {
  Graph,
  GraphInput,
  GraphNode,
  GraphResult,
  InputMode,
  OutputMode,
  PortRef,
  ResultMode
} from "../../src/definition/Graph.js"
import type { Json } from "../../src/model/Json.js"
import type { Rule, RuleInputs, RuleOutcome } from "./graphsRule.js"

/** `node.port`, several of them for a merge, or one of the two with a mode before it: `all a.x b.y`. */
type Wire = string

interface NodeSpelling {
  readonly inputs?: { readonly [handle: string]: Wire }
  readonly outputs?: { readonly [port: string]: OutputMode }
  readonly error?: boolean
  readonly trigger?: number | "endless"
  readonly resumable?: boolean
  readonly concurrency?: number
  readonly compensates?: true
}

interface GraphSpelling {
  readonly input?: ReadonlyArray<string>
  readonly nodes: { readonly [id: string]: NodeSpelling }
  readonly results?: { readonly [name: string]: `${ResultMode} ${string}` }
}

const ports = (words: ReadonlyArray<string>): ReadonlyArray<PortRef> =>
  words.map((word) => {
    const [node = "", port = ""] = word.split(".")
    return { node, port }
  })

const inputOf = (name: string, wire: Wire): GraphInput => {
  const words = wire.split(" ")
  const mode = (["shared", "all", "latest", "stream", "unordered"] as ReadonlyArray<InputMode>).find(
    (candidate) => candidate === words[0]
  )
  return { name, mode: mode ?? "one", from: ports(mode === undefined ? words : words.slice(1)) }
}

const oneOutput: { readonly [port: string]: OutputMode } = { out: "one" }

/** A graph as a test spells it: `inputs: { order: "input.order", lines: "all split.lines" }`; one output `out` if none is named. */
export const graphOf = ({ input = ["in"], nodes, results = {} }: GraphSpelling): Graph => ({
  name: "example",
  version: 1,
  input,
  nodes: Object.entries(nodes).map(
    ([
      id,
      { compensates, concurrency = null, error = false, inputs = {}, outputs = oneOutput, resumable = false, trigger }
    ]): GraphNode => ({
      id,
      node: id,
      kind: trigger === undefined ? "task" : "trigger",
      repeated: trigger === "endless" ? null : (trigger ?? 1),
      resumable,
      inputs: Object.entries(inputs).map(([name, wire]) => inputOf(name, wire)),
      outputs: Object.entries(outputs).map(([name, mode]) => ({ name, mode })),
      hasError: error,
      concurrency,
      ...(compensates === undefined ? {} : { compensates })
    })
  ),
  outputs: Object.entries(results).map(([name, spelled]): GraphResult => {
    const [mode, ...from] = spelled.split(" ")
    return { name, mode: mode as ResultMode, from: ports(from) }
  })
})

/** A chain of nodes `n0`, `n1`, … with one value going through it. */
export const chain = (length: number): Graph =>
  graphOf({
    nodes: Object.fromEntries(
      Array.from({ length }, (_, index) => [
        `n${index}`,
        { inputs: { a: index === 0 ? "input.in" : `n${index - 1}.out` } }
      ])
    ),
    results: { result: `value n${length - 1}.out` }
  })

type Spoken = { readonly [port: string]: Json } | { readonly fails: Json } | { readonly dies: string }

/**
 * Handlers as a test spells them: what each node puts on its ports, an array for `many`.
 *
 * **Details** A node without a spelling puts on `out` what it got, as text: `a` from one handle, `a+b` from two.
 */
export const handlers =
  (
    spoken: { readonly [nodeId: string]: (inputs: RuleInputs["handles"], event: Json | undefined) => Spoken } = {}
  ): Rule =>
  (nodeId, { event, handles }) => ({
    flaky: 0,
    suspends: 0,
    result: resultOf(spoken[nodeId]?.(handles, event) ?? echo(handles))
  })

const echo = (handles: RuleInputs["handles"]): Spoken => ({ out: Object.values(handles).map(asText).join("+") })

const asText = (value: Json): string => (typeof value === "string" ? value : JSON.stringify(value))

const resultOf = (spoken: Spoken): RuleOutcome["result"] => {
  if ("fails" in spoken) return { _tag: "Fail", error: spoken.fails as Json }
  if ("dies" in spoken) return { _tag: "Die", message: String(spoken.dies) }
  const outputs = Object.entries(spoken).map(([port, value]) => [port, Array.isArray(value) ? value : [value]] as const)
  return { _tag: "Complete", outputs: Object.fromEntries(outputs) }
}
