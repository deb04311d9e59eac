import { describe, expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { both, query } from "./harness.js"

type Columns = Readonly<Record<string, string>>

/** A table, rows that it takes, and changes of one of them each of which makes a row that it refuses; values are SQL. */
interface Table {
  readonly key: Columns
  readonly good: Readonly<Record<string, Columns>>
  readonly bad: Readonly<Record<string, readonly [of: string, changes: Columns]>>
}

const worker = "'00000000-0000-4000-8000-000000000001'"

const tables: Readonly<Record<string, Table>> = {
  run_state: {
    key: { run_id: "'a'", workflow: "'w'", workflow_version: "1", frontier: "'{}'" },
    good: {
      running: { status: "'running'", version: "1", fence: "1", worker, ready: "false" },
      pending: { status: "'pending'", version: "1", fence: "0", worker: "null", ready: "true" },
      ended: { status: "'completed'", version: "2", fence: "1", worker: "null", ready: "false", ended_at: "now()" },
      parked: { status: "'parked'", version: "2", fence: "1", worker: "null", ready: "false", reason: "'poison'" }
    },
    bad: {
      "a status that does not exist": ["running", { status: "'walking'" }],
      "a version below 1": ["running", { version: "0" }],
      "a fence below 0": ["pending", { fence: "-1" }],
      "an end of a run that goes on": ["pending", { ended_at: "now()", ready: "false" }],
      "no end of a run that has ended": ["ended", { ended_at: "null" }],
      "a lease on a run that has ended": ["ended", { worker }],
      "a run that has ended and is ready": ["ended", { ready: "true" }],
      "a run that has ended and is due": ["ended", { due_at: "now()" }],
      "a lease on a parked run": ["parked", { worker }],
      "a parked run that is ready": ["parked", { ready: "true" }],
      "a parked run that is due": ["parked", { due_at: "now()" }],
      "a parked run without a reason": ["parked", { reason: "null" }],
      "a lease without a fence": ["running", { fence: "0" }]
    }
  },
  run_node_state: {
    key: { run_id: "'a'", node_id: "'n'", inputs: "'{}'", opened_in: "1", written_in: "1" },
    good: {
      scheduled: { firing: "1", status: "'scheduled'", attempt: "1", crashes: "2", not_before: "now()" },
      suspended: { firing: "1", status: "'suspended'", attempt: "1", crashes: "0", reason: "'trigger'" },
      running: { firing: "1", status: "'running'", attempt: "1", crashes: "0" },
      completed: { firing: "1", status: "'completed'", attempt: "1", crashes: "0", emitted: "'{}'", ended_at: "now()" },
      failed: { firing: "1", status: "'failed'", attempt: "1", crashes: "0", failure: "'{}'", ended_at: "now()" },
      skipped: { firing: "1", status: "'skipped'", attempt: "0", crashes: "0", ended_at: "now()" }
    },
    bad: {
      "a status that does not exist": ["running", { status: "'walking'" }],
      "a firing below 1": ["running", { firing: "0" }],
      "an attempt below 0": ["running", { attempt: "-1" }],
      "crashes below 0": ["running", { crashes: "-1" }],
      "an end of what goes on": ["running", { ended_at: "now()" }],
      "no end of what has ended": ["skipped", { ended_at: "null" }],
      "a wait without a reason": ["suspended", { reason: "null" }],
      "a failure that tells nothing": ["failed", { failure: "null" }],
      "a completed firing that tells not what it gave": ["completed", { emitted: "null" }],
      "something given by a firing that has failed": ["failed", { emitted: "'{}'" }],
      "a time to wait for while it runs": ["running", { not_before: "now()" }]
    }
  },
  run_inbox_messages: {
    key: { run_id: "'a'", node_id: "'n'", handle: "'h'", producer: "'p'" },
    good: {
      live: { firing: "0", ordinal: "0", payload: "'1'" },
      tombstone: { firing: "1", ordinal: "0", tombstone: "'skipped'" }
    },
    bad: {
      "a firing below 0": ["live", { firing: "-1" }],
      "an ordinal below 0": ["live", { ordinal: "-1" }],
      "a tombstone for a cause that does not exist": ["tombstone", { tombstone: "'bored'" }],
      "neither a payload nor a tombstone": ["live", { payload: "null" }],
      "a payload and a tombstone": ["tombstone", { payload: "'1'" }]
    }
  },
  run_steps: {
    key: { run_id: "'a'", node_id: "'n'", name: "'s'", key: "''", written_in: "1" },
    good: {
      run: { firing: "1", kind: "'run'", status: "'completed'", attempt: "1", firing_attempt: "1" },
      retrying: {
        firing: "1",
        kind: "'run'",
        status: "'retrying'",
        attempt: "1",
        firing_attempt: "1",
        not_before: "now()"
      },
      checkpoint: { firing: "1", kind: "'checkpoint'", status: "'completed'", attempt: "1", firing_attempt: "1" },
      taken: {
        firing: "1",
        kind: "'signal'",
        status: "'completed'",
        attempt: "1",
        firing_attempt: "1",
        input_seq: "7"
      }
    },
    bad: {
      "a firing below 1": ["run", { firing: "0" }],
      "a kind that does not exist": ["run", { kind: "'dance'" }],
      "a status that does not exist": ["run", { status: "'walking'" }],
      "an attempt below 1": ["run", { attempt: "0" }],
      "an attempt of the firing below 1": ["run", { firing_attempt: "0" }],
      "a time to wait for when it has ended": ["run", { not_before: "now()" }],
      "a signal that a step of another kind has taken": ["run", { input_seq: "7" }],
      "a signal that is over and was not taken": ["taken", { input_seq: "null" }]
    }
  },
  trigger_inputs: {
    key: { run_id: "'a'", node_id: "'n'", input_id: "'i'", payload: "'1'" },
    good: {
      new: { status: "'new'" },
      held: { status: "'held'" },
      applied: { status: "'applied'", settled_at: "now()" },
      dead: { status: "'dead'", settled_at: "now()" }
    },
    bad: {
      "a status that does not exist": ["new", { status: "'walking'" }],
      "a time when it was settled before it was": ["held", { settled_at: "now()" }],
      "no time when it was settled": ["applied", { settled_at: "null" }]
    }
  }
}

const insert = (table: string, columns: Columns) =>
  query(
    `insert into perdure.${table} (${Object.keys(columns).join(", ")}) values (${Object.values(columns).join(", ")})`
  )

/** The run that the rows of the other tables belong to. */
const run: Columns = { ...tables["run_state"]?.key, ...tables["run_state"]?.good["running"] }

describe("rows that contradict themselves are refused, others are not", () => {
  for (const [table, { bad, good, key }] of Object.entries(tables)) {
    both(
      `in ${table}`,
      Effect.gen(function* () {
        if (table !== "run_state") yield* insert("run_state", run)
        const attempt = (columns: Columns) =>
          Effect.zipRight(query(`delete from perdure.${table}`), Effect.either(insert(table, columns)))
        for (const [what, columns] of Object.entries(good)) {
          expect([what, yield* attempt({ ...key, ...columns })]).toMatchObject([what, { _tag: "Right" }])
        }
        for (const [what, [of, changes]] of Object.entries(bad)) {
          const written = yield* attempt({ ...key, ...good[of], ...changes })
          expect([what, written]).toMatchObject([what, { _tag: "Left", left: { sqlState: "23514" } }])
        }
      })
    )
  }
})
