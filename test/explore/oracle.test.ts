import { describe, expect, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { execute } from "../../src/testing/Case.js"
import { explore } from "../../src/testing/Explore.js"
import { Invariants, TestDatabase } from "../../src/testing/index.js"
import { corpus } from "./corpus/index.js"
import { mutations, runMutation } from "./mutations.js"

class Database extends Context.Tag("test/Database")<Database, TestDatabase.TestDatabase>() {}

const subjectOf = (name: string) => corpus(1).find((subject) => subject.name === name)!

/** Damage to the rows of a run that has completed, and what must be said of it. */
const planted: ReadonlyArray<readonly [invariant: string, damage: string]> = [
  ["S1_commits_once", "update perdure.run_node_state set attempt = attempt + 1 where node_id = 'rate'"],
  [
    "S2_taken_twice",
    `update perdure.run_node_state n set inputs = o.inputs from perdure.run_node_state o
    where n.node_id = 'convert' and n.firing = 2 and o.node_id = 'convert' and o.firing = 1`
  ],
  ["S2_left_over", "update perdure.run_inbox_messages set discarded = false where discarded and handle = 'left'"],
  ["S2_took_nothing", "update perdure.run_inbox_messages set discarded = true where handle = 'item' and ordinal = 0"],
  ["S2_all", "delete from perdure.run_inbox_messages where node_id = 'sum' and firing = 2"],
  ["S3_lost", "delete from perdure.run_inbox_messages where node_id = 'convert' and handle = 'item' and ordinal = 1"],
  [
    "S3_invented",
    `insert into perdure.run_inbox_messages (run_id, node_id, handle, producer, firing, ordinal, payload)
    values ('r', 'convert', 'item', 'split.items', 7, 0, '1')`
  ],
  ["S4_gap", "delete from perdure.run_node_state where node_id = 'convert' and firing = 2"],
  ["S5_numbers", "update perdure.run_state set version = version - 1"],
  ["S5_numbers", "update perdure.run_state set fence = fence + 2"],
  [
    "S7_applied",
    `insert into perdure.trigger_inputs (run_id, node_id, input_id, payload, status, settled_at)
    values ('r', 'split', 'x', '1', 'applied', now())`
  ],
  [
    "S8_ended_open",
    "update perdure.run_node_state set status = 'running', emitted = null, ended_at = null where node_id = 'zip'"
  ],
  ["S10_transition", "update perdure.run_state set status = 'running', ended_at = null"],
  ["S10_output", "update perdure.run_values set output = '{}'"],
  ["L1_stuck", "update perdure.run_state set status = 'running', ended_at = null"],
  ["L3_stranded", "update perdure.run_state set status = 'pending', ended_at = null"],
  [
    "L4_unapplied",
    `insert into perdure.trigger_inputs (run_id, node_id, input_id, payload) values ('r', 'split', 'x', '1')`
  ],
  [
    "frontier",
    `update perdure.run_state set status = 'running', ended_at = null,
    frontier = '{"ended": "", "skipped": "", "nodes": {"zip": {"low": 9, "next": 9, "from": {}}}}'`
  ]
]

/** The same of a run with streams. */
const plantedInStreams: typeof planted = [
  ["S2_stream", "update perdure.run_inbox_messages set discarded = false where discarded and node_id = 'first'"],
  ["S2_stream", "update perdure.run_inbox_messages set discarded = true where node_id = 'fold' and firing = 2"],
  ["S2_stream", "update perdure.run_node_state set inputs = '{}' where node_id = 'fold'"]
]

describe("the oracle", () => {
  layer(Layer.scoped(Database, Effect.orDie(TestDatabase.openEmbedded)), { timeout: 120_000 })((it) => {
    it.effect(
      "V2: says what is wrong with each planted damage, and nothing of undamaged rows",
      () =>
        Effect.flatMap(Database, (database) =>
          Effect.promise(async () => {
            const damages = [
              ...planted.map((each) => [subjectOf("fanOut"), ...each] as const),
              ...plantedInStreams.map((each) => [subjectOf("streams"), ...each] as const)
            ]
            for (const [subject, invariant, damage] of damages) {
              const executed = await execute({ subject, database, seed: 1, injections: [] })
              expect(executed.violations).toEqual([])
              await database.query(damage)
              const broken = await Invariants.check((text) => database.query(text), { atRest: true, watched: true })
              expect(
                broken.map(({ name }) => name),
                `${invariant}: ${damage}`
              ).toContain(invariant)
            }
          })
        ),
      120_000
    )

    it.effect("V1: says of a point that it was not reached", () =>
      Effect.flatMap(Database, (database) =>
        Effect.promise(async () => {
          const nowhere = { name: "runs: begin", occurrence: 99, mode: "before" as const }
          const executed = await execute({ subject: subjectOf("chain"), database, seed: 1, injections: [nowhere] })
          expect(executed.missed).toEqual([nowhere])
        })
      )
    )

    for (const mutation of mutations.filter(({ quick }) => quick === true)) {
      it.effect(
        `V3: notices ${mutation.name}`,
        () =>
          Effect.flatMap(Database, (database) =>
            Effect.promise(async () => {
              expect(await runMutation(mutation, database, 1)).toBeDefined()
            })
          ),
        120_000
      )
    }

    it.effect(
      "finds nothing wrong with the engine, hit at each step of its commits",
      () =>
        Effect.flatMap(Database, (database) =>
          Effect.promise(async () => {
            for (const name of ["chain", "fanOut", "triggerAfter"]) {
              const found = await explore({
                subject: subjectOf(name),
                database,
                seed: 1,
                names: /^(start|runs|deliver|release): /,
                modes: ["after", "lost", "awakened"]
              })
              expect(found.failures).toEqual([])
              expect(found.notReached).toEqual([])
            }
          })
        ),
      120_000
    )
  })
})
