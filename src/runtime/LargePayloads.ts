import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { Limits } from "../model/Limits.js"
import { externalProducer } from "../model/Message.js"
import type { RunCommit } from "../model/Run.js"

/** Messages whose payload was large, each time. */
export const largePayloads = Metric.counter("perdure_large_payloads_total", {
  description: "Messages with a payload that belongs in a blob store",
  incremental: true
})

/** Says which ports put values on edges that belong in a blob store. */
export class LargePayloads extends Context.Tag("perdure/LargePayloads")<
  LargePayloads,
  {
    /** Looks at the messages of a commit; warns once for each producer of each workflow, counts always. */
    readonly committed: (workflow: string, commit: RunCommit) => Effect.Effect<void>
  }
>() {}

const isLarge = (text: string): boolean =>
  // A UTF-16 unit is at most three bytes of UTF-8, so that small texts need no counting.
  text.length * 3 >= Limits.largePayloadBytes && Buffer.byteLength(text) >= Limits.largePayloadBytes

const make = Effect.sync(() => {
  const warned = new Set<string>()

  const warn = (workflow: string, runId: string, { bytes, port }: { bytes: number; port: string }) =>
    Effect.suspend(() => {
      const key = `${workflow} ${port}`
      if (warned.has(key)) return Effect.void
      warned.add(key)
      return Effect.logWarning(
        `Workflow ${workflow}: ${port} carried ${bytes} bytes; keep such values in a blob store and send a reference`
      ).pipe(Effect.annotateLogs("runId", runId))
    })

  const committed = (workflow: string, commit: RunCommit): Effect.Effect<void> => {
    // One output goes to many inboxes and is one payload.
    const large = new Map<string, { bytes: number; port: string }>()
    for (const { content, firing, handle, nodeId, ordinal, producer } of commit.messages) {
      if (content._tag !== "Live" || !isLarge(content.text)) continue
      const port = producer === externalProducer ? `${nodeId}.${handle}` : producer
      large.set(`${port} ${firing} ${ordinal}`, { bytes: Buffer.byteLength(content.text), port })
    }
    if (large.size === 0) return Effect.void
    return Effect.zipRight(
      Metric.incrementBy(largePayloads, large.size),
      Effect.forEach(large.values(), (payload) => warn(workflow, commit.runId, payload), { discard: true })
    )
  }
  return { committed }
})

export const layer: Layer.Layer<LargePayloads> = Layer.effect(LargePayloads, make)
