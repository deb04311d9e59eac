import { describe, expect, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Node from "../../src/definition/Node.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { execute } from "../../src/testing/Case.js"
import { Client } from "../../src/testing/Client.js"
import { explore } from "../../src/testing/Explore.js"
import { TestDatabase } from "../../src/testing/index.js"
import type { Mode } from "../../src/testing/Points.js"
import { exploredSettings, type Subject } from "../../src/testing/Subject.js"
import { World } from "../../src/testing/World.js"
import { corpus } from "./corpus/index.js"
import { oneRun } from "./corpus/kit.js"

class Database extends Context.Tag("test/Database")<Database, TestDatabase.TestDatabase>() {}

const subjectOf = (name: string): Subject => corpus(1).find((subject) => subject.name === name)!

const say = Node.make("say", { inputs: { text: Schema.String }, outputs: { text: Schema.String } })
const Saying = Workflow.make("saying", { version: 1, input: { text: Schema.String } })
  .node("say", say, ({ input }) => ({ text: input.text }))
  .output(({ say }) => ({ text: say.text }))
const Other = Workflow.make("other", { version: 1, input: { text: Schema.String } })
  .node("say", say, ({ input }) => ({ text: input.text }))
  .output(({ say }) => ({ text: say.text }))
const saysIt = say.toLayer(({ text }) => Effect.succeed({ text }))

/** SQL that makes a table refuse something, a number of times: the count stands in a sequence, which no rollback takes back. */
const refusing = (options: {
  readonly table: string
  readonly on: string
  readonly when: string
  readonly sqlState: string
  readonly times: number
  readonly deferred?: boolean
}) => ({
  install: [
    "drop sequence if exists perdure_watch.refusals",
    "create sequence perdure_watch.refusals",
    `create or replace function perdure_watch.refuse() returns trigger language plpgsql as $refuse$ begin
      if nextval('perdure_watch.refusals') <= ${options.times} then
        raise exception 'refused' using errcode = '${options.sqlState}';
      end if;
      return null;
    end $refuse$`,
    `create ${options.deferred === true ? "constraint " : ""}trigger refuse after ${options.on} on perdure.${options.table}
      ${options.deferred === true ? "deferrable initially deferred" : ""}
      for each row when (${options.when}) execute function perdure_watch.refuse()`
  ],
  remove: [`drop trigger refuse on perdure.${options.table}`]
})

describe("faults", () => {
  layer(Layer.scoped(Database, Effect.orDie(TestDatabase.openEmbedded)), { timeout: 300_000 })((it) => {
    const test = (name: string, body: (database: TestDatabase.TestDatabase) => Promise<void>) =>
      it.effect(name, () => Effect.flatMap(Database, (database) => Effect.promise(() => body(database))), 300_000)

    const under = async (
      database: TestDatabase.TestDatabase,
      damage: ReturnType<typeof refusing>,
      body: () => Promise<void>
    ) => {
      for (const statement of damage.install) await database.query(statement)
      try {
        await body()
      } finally {
        for (const statement of damage.remove) await database.query(statement)
      }
    }

    const survives = async (
      database: TestDatabase.TestDatabase,
      name: string,
      names: RegExp,
      modes: ReadonlyArray<Mode>,
      double = 0
    ) => {
      const found = await explore({ subject: subjectOf(name), database, seed: 1, names, modes, double })
      expect(found.failures).toEqual([])
      expect(found.reached.length).toBeGreaterThan(0)
    }

    test("A1 dies before and after each statement of a commit", (database) =>
      survives(database, "routing", /^runs: /, ["before", "after"]))

    test("A2 COMMIT is done and its acknowledgement lost", (database) =>
      survives(database, "chain", /: (commit|batch)$/, ["lost"]))

    test("A3 dies between an outside effect and its commit", (database) =>
      survives(database, "errors", /^effect /, ["before", "after"]))

    test("A4 dies again during recovery", (database) =>
      survives(database, "chain", /^handler /, ["before", "after"], 4))

    test("A7 the failure path itself fails: the error has a NUL, and its row is refused", (database) => {
      const subject = oneRun({
        workflow: Saying,
        input: { text: "x" },
        handlers: say.toLayer(() => Effect.dieMessage("bad \u0000 \ud800 text"))
      })
      const damage = refusing({
        table: "run_node_state",
        on: "update",
        when: "new.status = 'failed'",
        sqlState: "40001",
        times: 2
      })
      return under(database, damage, async () => {
        const executed = await execute({ subject, database, seed: 1, injections: [] })
        expect(executed.violations).toEqual([])
        expect(executed.outcome[0]?.status).toBe("failed")
      })
    })

    test("A8 a database error is not recorded as the node's own failure", (database) =>
      survives(database, "chain", /^runs: /, ["40001", "40P01", "57P01"]))

    test("A9 one bad row of a batch does not stop the others", (database) => {
      const subject: Subject = {
        name: "saying",
        workflows: Saying.layer.pipe(Layer.provide(saysIt)),
        script: async (client) => {
          const ids = ["good1", "bad", "good2"]
          await Promise.all(ids.map((id) => client.start(Saying, { text: id }, id)))
          await client.ended("good1")
          await client.ended("good2")
          await client.sleep(5_000)
        }
      }
      const damage = refusing({
        table: "run_values",
        on: "update",
        when: "new.run_id = 'bad'",
        sqlState: "23514",
        times: 1_000
      })
      return under(database, damage, async () => {
        const executed = await execute({ subject, database, seed: 1, injections: [] })
        expect(executed.violations).toEqual([])
        expect(executed.outcome.map(({ status }) => status)).toEqual(["parked", "completed", "completed"])
      })
    })

    test("C2 connections are dropped, at each point", (database) => survives(database, "chain", /./, ["57P01"]))

    for (const sqlState of ["40001", "40P01", "53100", "53300", "57014", "55P03"]) {
      test(`C3 ${sqlState} from a write of a run`, (database) =>
        under(
          database,
          refusing({ table: "run_state", on: "update", when: "new.version > 1", sqlState, times: 3 }),
          async () => {
            const executed = await execute({ subject: subjectOf("chain"), database, seed: 1, injections: [] })
            expect(executed.violations).toEqual([])
            expect(executed.outcome[0]?.status).toBe("completed")
          }
        ))
    }

    test("C4 COMMIT itself fails", (database) =>
      under(
        database,
        refusing({
          table: "run_state",
          on: "update",
          when: "new.version > 1",
          sqlState: "40001",
          times: 2,
          deferred: true
        }),
        async () => {
          const executed = await execute({ subject: subjectOf("chain"), database, seed: 1, injections: [] })
          expect(executed.violations).toEqual([])
          expect(executed.outcome[0]?.status).toBe("completed")
        }
      ))

    test("C5, O3 the audit table is gone, or refuses", async (database) => {
      const subject = subjectOf("fanOut")
      const crashFree = await execute({ subject, database, seed: 1, injections: [] })
      await database.query("alter table perdure.run_events rename to run_events_gone")
      const gone = await execute({ subject, database, seed: 1, injections: [], crashFree })
      await database.query("alter table perdure.run_events_gone rename to run_events")
      expect(gone.violations).toEqual([])
      const damage = refusing({ table: "run_events", on: "insert", when: "true", sqlState: "53100", times: 1_000 })
      await under(database, damage, async () => {
        const refused = await execute({ subject, database, seed: 1, injections: [], crashFree })
        expect(refused.violations).toEqual([])
      })
    })

    test("C6 no hint ever arrives from the other worker", (database) =>
      survives(database, "twoWorkers", /^handler split/, ["before", "after"]))

    test("D1 the workers' clocks disagree by hours", async (database) => {
      const crashFree = await execute({ subject: subjectOf("timeout"), database, seed: 1, injections: [] })
      const subject = { ...subjectOf("timeout"), skewMs: 3_600_000, workers: 2 }
      const dies = { name: "handler slow", occurrence: 1, mode: "after" as const }
      const executed = await execute({ subject, database, seed: 1, injections: [dies], crashFree })
      expect(executed.violations).toEqual([])
    })

    test("D2 a timer came due while everything was down", (database) =>
      survives(database, "errors", /^release: |^handler refused/, ["before", "after"]))

    test("E1, E2 inputs twice, in another order, and before anybody waits", async (database) => {
      await survives(database, "triggerBefore", /^deliver: /, ["after", "lost"])
      await survives(database, "repeated", /^deliver: /, ["lost"])
    })

    test("E3 triggers for runs that are unknown or over", async (database) => {
      const answers: Array<string> = []
      const subject: Subject = {
        ...subjectOf("triggerDuring"),
        script: async (client) => {
          const tell = async (id: string) => {
            const exit = await client.trigger(id, "approve", { yes: true }, `for ${id}`)
            answers.push(Exit.isFailure(exit) ? String(exit.cause) : "accepted")
          }
          await tell("unknown")
          await subjectOf("triggerDuring").script(client)
          await tell("r")
        }
      }
      const executed = await execute({ subject, database, seed: 1, injections: [] })
      expect(executed.violations).toEqual([])
      expect(answers[0]).toContain("RunNotFound")
      expect(answers[1]).toContain("RunEnded")
    })

    test("E4 cancel races with completion", (database) =>
      survives(database, "cancelRace", /^(request|runs): /, ["before", "after", "lost"]))

    test("E5 cleanup at every moment deletes nothing that somebody refers to", (database) =>
      survives(database, "cleaned", /^cleanup: /, ["after", "40001"]))

    test("E6 a node that fails after an effect does it once under its key", (database) =>
      survives(database, "errors", /^handler paid/, ["before", "after"]))

    test("E8 a node that dies each time fails its run and no other", (database) =>
      survives(database, "failure", /^handler /, ["before", "after"]))

    test("E9 runs of a workflow nobody knows any more are parked, and go on when somebody does", async (database) => {
      await database.reset()
      const world = new World({ database })
      const settings = { ...exploredSettings, unknownAfterMs: 2_000 }
      const slowly = say.toLayer(({ text }) => Effect.as(Effect.sleep("1 second"), { text }))
      const start = (name: string, workflow: typeof Saying | typeof Other) =>
        world.start({ name, settings, seed: 1, workflows: workflow.layer.pipe(Layer.provide(slowly)) })
      const status = async () => {
        const [row] = await database.query("select status || ' ' || coalesce(reason, '') as it from perdure.run_state")
        return String(row?.["it"])
      }
      // The first one dies while its handler is at work.
      const before = start("before", Saying)
      const client = new Client(world)
      client.serve(before)
      const started = client.start(Saying, { text: "x" }, "r")
      await world.passUntil(() => world.attempts.length > 0, world.clock.now + 10_000)
      before.kill()
      expect(await started).toBeDefined()
      const other = start("other", Other)
      await world.pass(20_000)
      expect(await status()).toContain("parked UnknownWorkflow")
      other.kill()
      start("after", Saying)
      await world.pass(20_000)
      expect(await status()).toBe("completed ")
      await world.close()
      expect(world.violations).toEqual([])
    })

    test("F values that are awkward go through or are refused, and nothing is lost", async (database) => {
      for (const text of ["", "\u0000", "\ud800", "__proto__", "x".repeat(1_000_000), "\\u0000", "💥", "'; drop"]) {
        const subject = oneRun({ workflow: Saying, input: { text }, handlers: saysIt })
        const answers: Array<Exit.Exit<unknown, unknown>> = []
        const careful: Subject = {
          ...subject,
          script: async (client) => {
            const exit = await client.start(Saying, { text }, "r")
            answers.push(exit)
            if (Exit.isSuccess(exit)) await client.ended("r")
          }
        }
        const executed = await execute({ subject: careful, database, seed: 1, injections: [] })
        expect(executed.violations).toEqual([])
        if (Exit.isSuccess(answers[0]!)) expect(JSON.parse(executed.outcome[0]!.output!)).toEqual({ text })
        else expect(String(answers[0]!.cause)).toContain("InvalidInput")
      }
    })
  })
})
