import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { expect, it } from "vitest"
import * as Input from "../../src/definition/Input.js"
import { InvalidWorkflow } from "../../src/definition/InvalidWorkflow.js"
import * as Node from "../../src/definition/Node.js"
import type { AnyPort } from "../../src/definition/Port.js"
import * as Signal from "../../src/definition/Signal.js"
import * as Workflow from "../../src/definition/Workflow.js"

const { Number: N } = Schema

type Ports = Record<string, Record<string, AnyPort>>

/** The chain as code without types sees it: what types refuse is refused by value, too. */
interface Untyped {
  readonly node: (id: string, node: unknown, wire?: (ports: Ports) => unknown) => Untyped
  readonly output: (read?: (ports: Ports) => unknown) => Workflow.Any
}

const chain = (name = "w", version = 1, input: object = { n: N }): Untyped => {
  const begun = Workflow.make(name, { version, input: input as { readonly n: typeof N } }) as unknown as Untyped
  const filled = (untyped: Untyped): Untyped => ({
    node: (id, node, wire = () => ({})) => filled(untyped.node(id, node, wire)),
    output: (read = () => ({})) => untyped.output(read)
  })
  return filled(begun)
}

const n = ({ input }: Ports) => ({ n: input?.["n"] })

/** A node with one handle `n` and one port `out`. */
const node = (options: object = {}, name = "x") =>
  Node.make(name, { inputs: { n: N }, outputs: { out: N }, ...options })

/** A workflow of one such node. */
const one = (options: object) => () => chain().node("x", node(options), n).output()

const trigger = (options: object) => () =>
  chain()
    .node("x", Node.trigger("x", { payload: N, inputs: { n: N }, outputs: { out: N }, ...options }), n)
    .output()

const failing = node({ error: Schema.String })
const ticks = Node.trigger("ticks", { payload: N, outputs: { tick: N }, repeated: true })

const inner = (outputs: ReadonlyArray<string> = ["n"]): Workflow.Any =>
  chain("inner").output(({ input }) => Object.fromEntries(outputs.map((name) => [name, input?.["n"]])))
const child = (options: object = {}, name = "x") => Node.child(name, inner(), options)
const asChild = (options: object) => () => chain().node("x", child(options), n).output()

const noName = "is no name; a name is a letter or _ and then up to 99 letters, digits, _ or -"
const noCount = "must be a whole number from 1 to 2147483647"
const unsteady = { times: 1, schedule: Schedule.jittered(Schedule.spaced("1 second")) }
const unsteadily = "its pauses depend on more than the number of attempts"

/** Each way to misuse a definition, and what is said of it. The misuses of steps stand in `test/engine/steps.test.ts`. */
const misuses: Readonly<Record<string, readonly [build: () => unknown, issue: string]>> = {
  "a workflow without a name": [() => chain("").output(), `workflow name: "" ${noName}`],
  "a version that is none": [() => chain("w", 1.5).output(), `version ${noCount}, not 1.5`],
  "an input port without a name": [() => chain("w", 1, { "a b": N }).output(), `input port: "a b" ${noName}`],
  "an output without a name": [() => chain().output(({ input }) => ({ "": input?.["n"] })), `output: "" ${noName}`],

  "a node id that is taken": [
    () => chain().node("x", node(), n).node("x", node(), n).output(),
    'node id "x" is already taken'
  ],
  "a node id that is reserved": [() => chain().node("output", node(), n).output(), 'node id "output" is reserved'],
  "a node id that is no name": [() => chain().node("a.b", node(), n).output(), `node id: "a.b" ${noName}`],
  "a node that is called what is no name": [
    () => chain().node("x", node({}, "$compensate"), n).output(),
    `node name: "$compensate" ${noName}`
  ],
  "two nodes of one name": [
    () => chain().node("x", node(), n).node("y", node(), n).output(),
    'two different nodes are named "x"'
  ],
  "a handle that is no name": [one({ inputs: { $external: N } }), `node "x", handle: "$external" ${noName}`],
  "a port that is no name": [one({ outputs: { "": N } }), `node "x", port: "" ${noName}`],
  "a port that is called error": [
    one({ outputs: { error: N } }),
    'node "x": the port "error" is reserved for the typed error'
  ],

  "a handle that the node has not": [
    () =>
      chain()
        .node("x", node(), ({ input }) => ({ ...n({ input: input! }), m: input?.["n"] }))
        .output(),
    'node "x" has no handle "m"'
  ],
  "a handle without a wire": [() => chain().node("x", node()).output(), 'node "x", handle "n": nothing is wired to it'],
  "a merge of nothing": [
    () =>
      chain()
        .node("x", node(), () => ({ n: [] }))
        .output(),
    'node "x", handle "n": needs at least one producer'
  ],
  "a merge with a port twice": [
    () =>
      chain()
        .node("x", node(), ({ input }) => ({ n: [input?.["n"], input?.["n"]] }))
        .output(),
    'node "x", handle "n": input.n is wired twice'
  ],
  "a wire from a later step, or from another workflow": [
    () =>
      chain()
        .node("x", node(), ({ y }) => ({ n: y?.["out"] }))
        .node("y", node(), n)
        .output(),
    'node "x", handle "n": not a port of an earlier step'
  ],
  "a wiring that throws": [
    () =>
      chain()
        .node("x", node(), () => {
          throw new Error("no")
        })
        .output(),
    'node "x": its wiring threw no'
  ],
  "a shared handle with several messages": [
    () =>
      chain()
        .node("ticks", ticks)
        .node("x", node({ inputs: { n: Input.shared(N) } }), ({ ticks }) => ({ n: ticks?.["tick"] }))
        .output(),
    'node "x", handle "n": a shared handle takes one port with at most one message'
  ],

  "a latest handle beside one that aligns": [
    one({ inputs: { n: N, m: Input.latest(N) } }),
    'node "x": a latest handle can\'t stand beside one of mode one'
  ],
  "a latest handle of a trigger": [
    trigger({ inputs: { n: Input.latest(N) } }),
    'node "x": a trigger can\'t have a latest handle'
  ],
  "a stream handle beside one that aligns": [
    one({ inputs: { n: N, m: Input.stream(N) } }),
    'node "x": a stream handle can\'t stand beside one of mode one'
  ],
  "a stream handle of a trigger": [
    trigger({ inputs: { n: Input.stream(N) } }),
    'node "x": a trigger can\'t have a stream handle'
  ],
  "a stream handle of a resumable node": [
    one({ inputs: { n: Input.stream(N) }, resumable: { state: N, input: N } }),
    'node "x": a resumable node can\'t have a stream handle'
  ],

  "a concurrency of nothing": [one({ concurrency: 0 }), `node "x": concurrency ${noCount}, not 0`],
  "a trigger that is repeated half a time": [trigger({ repeated: 0.5 }), `node "x": repeated ${noCount}, not 0.5`],
  "retries that are counted backwards": [
    one({ retry: { ...unsteady, schedule: Schedule.spaced(0), times: -1 } }),
    `node "x": retry.times ${noCount}, not -1`
  ],
  "retries by chance": [one({ retry: unsteady }), `node "x": retry.schedule: ${unsteadily}`],
  "a compensation that is tried again by chance": [
    one({ compensate: { retry: unsteady } }),
    `node "x": compensate.retry.schedule: ${unsteadily}`
  ],
  "a time-out of nothing": [one({ timeout: 0 }), 'node "x": timeout must be longer than nothing'],
  "a total time-out of nothing": [
    one({ timeout: { attempt: "1 second", total: 0 } }),
    'node "x": timeout.total must be longer than nothing'
  ],
  "a compensation without time": [
    one({ compensate: { timeout: 0 } }),
    'node "x": compensate.timeout must be longer than nothing'
  ],
  "a heartbeat without a pause": [one({ heartbeat: 0 }), 'node "x": heartbeat must be longer than nothing'],
  "a signal that is called like the end of a child": [
    one({ signals: [Signal.make("$child", { payload: N })] }),
    'node "x": "$child" is no name of a signal'
  ],

  "two signals of one name at one node": [
    one({ signals: [Signal.make("go", { payload: N }), Signal.make("go", { payload: Schema.String })] }),
    'node "x" lists two different signals named "go"'
  ],
  "two signals of one name at two nodes": [
    () =>
      chain()
        .node("x", node({ signals: [Signal.make("go", { payload: N })] }), n)
        .node("y", node({ signals: [Signal.make("go", { payload: Schema.Struct({ n: N }) })] }, "y"), n)
        .output(),
    'nodes "x" and "y" list two different signals named "go"'
  ],

  "an output that is no port": [() => chain().output(() => ({ a: 1 })), 'output "a": not a port of an earlier step'],
  "an output of no port": [
    () => chain().output(() => ({ a: Workflow.firstOf(...([] as never as [AnyPort])) })),
    'output "a": needs at least one producer'
  ],
  "one value read from many": [
    () =>
      chain()
        .node("ticks", ticks)
        .output(({ ticks }) => ({ a: Workflow.maybe(ticks?.["tick"] as never) })),
    'output "a": Workflow.maybe reads a port with at most one message'
  ],
  "a value that may not come": [
    () =>
      chain()
        .node("x", failing, n)
        .node("y", Node.make("y", { inputs: { why: Schema.String } }), ({ x }) => ({ why: x?.["error"] }))
        .output(({ x }) => ({ a: x?.["out"] })),
    'output "a": x.out may not come, as the error of node "x" is wired'
  ],

  "a child without what its workflow takes": [
    () => chain().node("x", child()).output(),
    'node "x", handle "n": nothing is wired to it'
  ],
  "a child whose workflow has an output error": [
    () =>
      chain()
        .node("x", Node.child("x", inner(["error"])), n)
        .output(),
    'node "x": the port "error" is reserved for the typed error'
  ],
  "two children of one name": [
    () => chain().node("x", child(), n).node("y", child(), n).output(),
    'two different nodes are named "x"'
  ],
  "no children at once": [asChild({ concurrency: 0 }), `node "x": concurrency ${noCount}, not 0`],
  "children that are tried again by chance": [asChild({ retry: unsteady }), `node "x": retry.schedule: ${unsteadily}`],
  "a child without time": [asChild({ timeout: { total: 0 } }), 'node "x": timeout.total must be longer than nothing']
}

it.each(Object.entries(misuses))("%s is refused when the workflow is finished", (_, [build, issue]) => {
  let thrown: unknown
  try {
    build()
  } catch (error) {
    thrown = error
  }
  expect(thrown).toBeInstanceOf(InvalidWorkflow)
  expect((thrown as InvalidWorkflow).issues).toContainEqual(expect.stringContaining(issue))
})

it("one signal may be listed wherever it is taken, and be written down more than once", () => {
  const signals = () => [Signal.make("go", { payload: Schema.Struct({ n: N }) })]
  const built = chain()
    .node("x", node({ signals: [...signals(), ...signals()] }), n)
    .node("y", node({ signals: signals() }, "y"), n)
    .output()
  expect([...built.nodes.keys()]).toEqual(["x", "y"])
})
