import assert from "node:assert/strict"
import { it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { afterEach, describe } from "vitest"
import type { CommandKind } from "../../src/model/Run.js"
import { isEnded } from "../../src/model/Status.js"
import { type GraphOptions, graphs } from "./graphs.js"
import { type Rule, rule } from "./graphsRule.js"
import { checkMeaning, outcomeOf } from "./machineComparison.js"
import { drive, schedules } from "./machineDriver.js"
import type { Harness } from "./machineHarness.js"

/** Every commit of every run below also has its rows checked, and the state that they give compared. */
const numRuns = Number(process.env["PROPERTY_RUNS"] ?? 100)

/** A graph with its handlers: which failures they have is chosen too. */
const workflows = (options: Partial<GraphOptions> & { readonly fatal: boolean }) =>
  FastCheck.tuple(graphs(options), FastCheck.nat(100_000)).map(
    ([graph, seed]): Workflow => ({ graph, seed, rule: rule(graph, seed, { fatal: options.fatal }) })
  )

interface Workflow {
  readonly graph: Harness["graph"]
  readonly seed: number
  readonly rule: Rule
}

// Nothing here ever waits: without this the runner would not hear of this file for minutes on a busy machine.
afterEach(() => new Promise<void>((resume) => setImmediate(resume)))

const pauses = FastCheck.array(FastCheck.constantFrom<CommandKind>("pause", "resume"), { maxLength: 5 })

const prop = <const Arbs extends Record<string, FastCheck.Arbitrary<unknown>>>(
  name: string,
  arbitraries: Arbs,
  check: (values: { [K in keyof Arbs]: Arbs[K] extends FastCheck.Arbitrary<infer A> ? A : never }) => void,
  runs = numRuns
) => it.prop(name, arbitraries, (values) => check(values as never), { fastCheck: { numRuns: runs }, timeout: 120_000 })

describe("a run of any graph without merging", () => {
  const workflow = workflows({ merging: false, fatal: false })

  prop("has the same output, firings and messages by any schedule", { workflow, schedule: schedules }, (given) => {
    const { graph, rule } = given.workflow
    assert.deepEqual(outcomeOf(drive(graph, rule, { schedule: given.schedule })), outcomeOf(drive(graph, rule)))
  })

  prop("has them with deaths and hand-overs at any moment", { workflow, schedule: schedules }, (given) => {
    const { graph, rule } = given.workflow
    const crashing = drive(graph, rule, { schedule: given.schedule, crashes: true })
    assert.deepEqual(outcomeOf(crashing), outcomeOf(drive(graph, rule)))
  })

  prop(
    "has them with a death after each single commit",
    { workflow, schedule: schedules },
    ({ schedule, workflow: { graph, rule } }) => {
      const plain = drive(graph, rule, { schedule })
      for (let crashAfter = 1; crashAfter < plain.commits; crashAfter++) {
        assert.deepEqual(outcomeOf(drive(graph, rule, { schedule, crashAfter })), outcomeOf(plain))
      }
    },
    Math.ceil(numRuns / 5)
  )

  prop("has them with pauses at any moment", { workflow, schedule: schedules, commands: pauses }, (given) => {
    const { graph, rule } = given.workflow
    const pausing = drive(graph, rule, given)
    assert.deepEqual(outcomeOf(pausing), outcomeOf(drive(graph, rule)))
  })
})

describe("a run of any graph", () => {
  const workflow = FastCheck.boolean().chain((fatal) => workflows({ fatal }))
  const crashes = FastCheck.boolean()

  prop("fires, pairs, orders and discards as its meaning says", { workflow, schedule: schedules, crashes }, (given) => {
    checkMeaning(drive(given.workflow.graph, given.workflow.rule, given))
  })

  prop(
    "ends, or is suspended with a wait that nothing has satisfied",
    { workflow, schedule: schedules, crashes, supply: FastCheck.nat(2) },
    (given) => {
      const { status, tables } = drive(given.workflow.graph, given.workflow.rule, given)
      const waits = tables.allFirings().filter((firing) => firing.status === "suspended")
      assert.ok(isEnded(status) || (status === "suspended" && waits.length > 0), `${status}, ${waits.length} waits`)
      for (const { inputs, nodeId } of waits) {
        const taken = Object.entries(inputs).some(([handle, input]) => handle === "$external" && "ref" in input)
        assert.ok(!taken, `${nodeId} waits with an event in its hand`)
      }
    }
  )

  prop(
    "is cancelled by a cancel at any moment before its end",
    { workflow, schedule: schedules, crashes, pauses },
    (given) => {
      const commands: ReadonlyArray<CommandKind> = [...given.pauses, "cancel"]
      const { status, tables } = drive(given.workflow.graph, given.workflow.rule, { ...given, commands })
      const cancel = [...tables.commands.values()].find(({ kind }) => kind === "cancel")
      assert.ok(isEnded(status), status)
      assert.equal(status === "cancelled", cancel?.status === "applied", `${status} after ${cancel?.status}`)
    }
  )
})
