import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Swept } from "../store/Retention.js"
import { TriggerStore } from "../store/TriggerStore.js"
import { makeLink } from "./Children.js"
import { makeCleanup } from "./Cleanup.js"
import { makeAddressee, makeDeliver } from "./Deliver.js"
import { makeRequest } from "./Request.js"
import { makeSettle, makeSettleLate } from "./Settle.js"
import { defaultSchema, type SchemaName } from "./Statement.js"
import { makeTriggerReads } from "./TriggerReads.js"

const nothing: Swept = { rows: 0, done: true }

/** What arrives from outside, in PostgreSQL. */
export const layer = (schema: SchemaName = defaultSchema): Layer.Layer<TriggerStore> =>
  Layer.sync(TriggerStore, () => {
    const inputs = makeCleanup(schema, {
      table: "trigger_inputs",
      key: ["seq"],
      where: " and t.status in ('applied', 'dead')"
    })
    const commands = makeCleanup(schema, {
      table: "run_commands",
      key: ["seq"],
      where: " and t.status in ('applied', 'refused', 'dead')"
    })
    const children = makeCleanup(schema, { table: "run_children", key: ["run_id", "child_id"], where: "" })
    const swept = [inputs, commands, children]
    return {
      deliver: makeDeliver(schema),
      addressee: makeAddressee(schema),
      request: makeRequest(schema),
      settle: makeSettle(schema),
      link: makeLink(schema),
      settleLate: makeSettleLate(schema),
      ...makeTriggerReads(schema),
      // Each table in turn, while the hand is not full.
      cleanup: (aged, limit) =>
        Effect.reduce(swept, nothing, (gone, sweep) =>
          gone.rows >= limit && aged.anew !== true
            ? Effect.succeed({ ...gone, done: false })
            : Effect.map(sweep(aged, Math.max(1, limit - gone.rows)), ({ done, rows }) => ({
                rows: gone.rows + rows,
                done: gone.done && done
              }))
        )
    }
  })
