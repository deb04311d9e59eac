import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Registry } from "../definition/Registry.js"
import type * as Workflow from "../definition/Workflow.js"
import { explore as exploreSubject, type Failure } from "./Explore.js"
import type { Ledger } from "./Ledger.js"
import { modes as allModes, type Mode, spell } from "./Points.js"
import type { RunOutcome, Subject } from "./Subject.js"
import { openEmbedded, type TestDatabase, type TestDatabaseError } from "./TestDatabase.js"
import type { WorkflowLayer } from "./TestWorker.js"

/** An event the kit sends to the run, again and again until it is acknowledged. */
export interface Trigger {
  readonly node: string
  /** As JSON. */
  readonly payload: unknown
  /** How long after the one before, in virtual milliseconds; 0 by default, which may be before anybody waits. */
  readonly afterMs?: number
  /** Sends it once more after it was acknowledged, as careless senders do. */
  readonly twice?: boolean
}

/** What a workflow is tested with. */
export interface CrashTestOptions<W extends Workflow.Any> {
  readonly workflow: W
  readonly input: Workflow.Input<W>
  /** The handlers with everything they need; the `Ledger` stands for the world outside. */
  readonly services: Layer.Layer<Exclude<Layer.Layer.Context<W["layer"]>, Registry>, unknown, Ledger>
  /** Events from outside, in this order. */
  readonly triggers?: ReadonlyArray<Trigger>
  /** How points are hit; all ways by default. */
  readonly modes?: ReadonlyArray<Mode>
  /** 1: every point once. 2: besides, after each of these one more, drawn by seed. `"all"`: every pair, which takes long. */
  readonly crashes?: 1 | 2 | "all"
  /**
   * What must hold of the run in every execution; says what does not.
   *
   * **Details** Without it the run must end as it does without a fault.
   */
  readonly expect?: (run: RunOutcome) => string | undefined
  readonly seed?: number
  /** Gives the run up and reads it back from its rows after every firing; true by default. */
  readonly alwaysEvict?: boolean
  /** A database opened with `TestDatabase.openEmbedded` or `openPostgres`, shared by many tests; else one of its own. */
  readonly database?: TestDatabase
}

/** What was explored without a violation. */
export interface CrashTestReport {
  readonly points: number
  readonly cases: number
  readonly reached: number
  readonly notReached: ReadonlyArray<string>
}

/** At least one execution broke what must hold; the message says where it was hit and what was seen. */
export class CrashTestFailed extends Data.TaggedError("CrashTestFailed")<{
  readonly workflow: string
  readonly failures: ReadonlyArray<Failure>
}> {
  override get message(): string {
    const shown = this.failures.slice(0, shownFailures).map(({ injections, violations }) => {
      const where = injections.length === 0 ? "without a fault" : injections.map(spell).join(" + ")
      return [where, ...violations.map(({ detail, name }) => `  ${name}: ${detail}`)].join("\n")
    })
    const more = this.failures.length - shown.length
    return `${this.workflow} does not survive:\n${shown.join("\n")}${more > 0 ? `\nand ${more} more` : ""}`
  }
}

const shownFailures = 5

/** Failing executions after which no further one is begun: they mostly say the same. */
const enoughFailures = 5

/** The id of the run under test. */
const runId = "run"

const subjectOf = <W extends Workflow.Any>(options: CrashTestOptions<W>): Subject => {
  const { expect, input, services, triggers = [], workflow } = options
  const judge = ([run]: ReadonlyArray<RunOutcome>) => (run === undefined ? "there is no run" : expect?.(run))
  return {
    name: workflow.name,
    // What the workflow's layer needs is its handlers and the registry: its type says so, but not to the compiler here.
    workflows: workflow.layer.pipe(Layer.provide(services)) as WorkflowLayer,
    settings: { alwaysEvict: options.alwaysEvict ?? true },
    script: async (client) => {
      await client.start(workflow, input, runId)
      for (const [index, { afterMs = 0, node, payload, twice }] of triggers.entries()) {
        if (afterMs > 0) await client.sleep(afterMs)
        await client.trigger(runId, node, payload, `event ${index}`)
        if (twice === true) await client.trigger(runId, node, payload, `event ${index}`)
      }
      await client.ended(runId)
    },
    ...(expect === undefined ? {} : { possible: judge, expect: judge })
  }
}

const doubles = { 1: 0, 2: 1, all: "all" } as const

/**
 * Runs a workflow once without a fault, then once for each way to hit each of its steps, and checks every execution.
 *
 * **When to use** In a test of your own workflow: it finds what your handlers do twice, or do not do, when a process dies.
 *
 * **Details** Each execution has a whole engine on a database in memory, a virtual clock and reproducible randomness. Processes
 * die before and after each statement, each handler and each effect on the `Ledger`; COMMITs lose their answers; the
 * database aborts transactions and ends sessions; stopped processes go on too late. Afterwards all invariants are asked of the
 * rows, the run must have ended as it does without a fault, and each effect of a completed firing must stand in the ledger once.
 * Handlers must not wait for real time or real input and output. Opening a database takes seconds, so share one.
 *
 * **Errors** `CrashTestFailed` with every failing execution.
 *
 * @example
 * it.effect("survives any crash", () =>
 *   CrashTest.explore({
 *     workflow: Order,
 *     input: { order },
 *     services: Layer.mergeAll(ReserveHandler, ChargeHandler).pipe(Layer.provide(PaymentsOverLedger)),
 *     triggers: [{ node: "approval", payload: { approved: true }, afterMs: 1_000 }]
 *   })
 * )
 */
export const explore = <W extends Workflow.Any>(
  options: CrashTestOptions<W>
): Effect.Effect<CrashTestReport, CrashTestFailed | TestDatabaseError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const database = options.database ?? (yield* openEmbedded)
      let seen = 0
      const found = yield* Effect.promise(() =>
        exploreSubject({
          subject: subjectOf(options),
          database,
          seed: options.seed ?? 1,
          modes: options.modes ?? allModes,
          double: doubles[options.crashes ?? 1],
          goOn: () => seen < enoughFailures,
          onFailure: () => {
            seen++
          }
        })
      )
      const { cases, failures, notReached, points, reached } = found
      if (failures.length > 0) return yield* new CrashTestFailed({ workflow: options.workflow.name, failures })
      return { points: points.length, cases, reached: reached.length, notReached: notReached.map(spell) }
    })
  )
