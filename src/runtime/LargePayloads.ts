import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Runtime from "effect/Runtime"
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
    readonly committed: (workflow: string, commit: RunCommit) => void
  }
>() {}

const isLarge = (text: string): boolean =>
  // A UTF-16 unit is at most three bytes of UTF-8, so that small texts need no counting.
  text.length * 3 >= Limits.largePayloadBytes && Buffer.byteLength(text) >= Limits.largePayloadBytes

const make = Effect.map(Effect.runtime<never>(), (runtime) => {
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

  const committed = (workflow: string, commit: RunCommit): void => {
    let large: Map<string, { bytes: number; port: string }> | undefined
    for (const { content, firing, handle, nodeId, ordinal, producer } of commit.messages) {
      if (content._tag !== "Live" || !isLarge(content.text)) continue
      const port = producer === externalProducer ? `${nodeId}.${handle}` : producer
      // One output goes to many inboxes and is one payload.
      large ??= new Map()
      large.set(`${port} ${firing} ${ordinal}`, { bytes: Buffer.byteLength(content.text), port })
    }
    if (large === undefined) return
    largePayloads.unsafeUpdate(large.size, [])
    for (const payload of large.values()) Runtime.runFork(runtime)(warn(workflow, commit.runId, payload))
  }
  return { committed }
})

export const layer: Layer.Layer<LargePayloads> = Layer.effect(LargePayloads, make)
