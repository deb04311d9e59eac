import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { NodeContext } from "../../../src/definition/NodeContext.js"
import type { Registry } from "../../../src/definition/Registry.js"
import * as Step from "../../../src/definition/Step.js"
import type * as Workflow from "../../../src/definition/Workflow.js"
import type { Client } from "../../../src/testing/Client.js"
import { Ledger } from "../../../src/testing/Ledger.js"
import type { Subject } from "../../../src/testing/Subject.js"
import type { Outside } from "../../../src/testing/TestWorker.js"

/** Does something outside under the firing's idempotency key. */
export const effect = (name: string): Effect.Effect<void, never, Ledger | NodeContext> =>
  Effect.gen(function* () {
    const { idempotencyKey } = yield* NodeContext
    yield* (yield* Ledger).record(name, idempotencyKey)
  })

/** Writes a row of the application's in a transaction of its own client, once for the firing. */
export const enter: Effect.Effect<void, never, SqlClient.SqlClient | NodeContext> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { firing, nodeId, runId } = yield* NodeContext
  const text = "insert into perdure_watch.entries (run_id, node_id, firing) values ($1, $2, $3)"
  yield* Step.transaction("enter", {}, sql, Effect.asVoid(sql.unsafe(text, [runId, nodeId, firing])))
})

/** The id of a subject's only run. */
export const runId = "r"

/** A subject with one run: start it, do the rest, wait for its end. */
export const oneRun = <W extends Workflow.Any>(options: {
  readonly name?: string
  readonly workflow: W
  readonly input: Workflow.Input<W>
  readonly handlers: Layer.Layer<Exclude<Layer.Layer.Context<W["layer"]>, Registry>, never, Outside>
  readonly start?: Parameters<Client["start"]>[3]
  readonly meanwhile?: (client: Client) => Promise<unknown>
  readonly settings?: Subject["settings"]
  readonly possible?: Subject["possible"]
  readonly expect?: Subject["expect"]
}): Subject => ({
  name: options.name ?? options.workflow.name,
  workflows: options.workflow.layer.pipe(Layer.provide(options.handlers)) as Subject["workflows"],
  script: async (client) => {
    await client.start(options.workflow, options.input, runId, options.start)
    await options.meanwhile?.(client)
    await client.ended(runId)
  },
  ...(options.settings === undefined ? {} : { settings: options.settings }),
  ...(options.possible === undefined ? {} : { possible: options.possible }),
  ...(options.expect === undefined ? {} : { expect: options.expect })
})
