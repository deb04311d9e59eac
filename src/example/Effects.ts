import { appendFileSync } from "node:fs"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { NodeContext } from "../definition/NodeContext.js"

/** What the example does to the outside world. */
export type EffectName = "reserve" | "charge" | "notify" | "ship"

/** An outside effect as its receiver saw it; `key` is the idempotency key it came with. */
export interface LedgerEntry {
  readonly runId: string
  readonly nodeId: string
  readonly firing: number
  readonly attempt: number
  readonly key: string
  readonly effect: EffectName
  /** Milliseconds since the epoch. */
  readonly at: number
}

/** The outside world of the example. */
export class Effects extends Context.Tag("perdure/example/Effects")<
  Effects,
  { readonly perform: (effect: EffectName) => Effect.Effect<void, never, NodeContext> }
>() {}

/** How the outside world behaves. */
export interface EffectsOptions {
  /** A file that gets one line of JSON for each effect; without it effects are logged. */
  readonly ledger?: string
  /** How long each effect takes. */
  readonly delayMs?: number
}

const entryOf = (effect: EffectName): Effect.Effect<LedgerEntry, never, NodeContext> =>
  Effect.zipWith(NodeContext, Clock.currentTimeMillis, ({ attempt, firing, idempotencyKey, nodeId, runId }, at) => ({
    runId,
    nodeId,
    firing,
    attempt,
    key: idempotencyKey,
    effect,
    at
  }))

/** An outside world that only writes down what was done to it. */
export const layer = (options: EffectsOptions = {}): Layer.Layer<Effects> => {
  const { delayMs = 0, ledger } = options
  // One synchronous append is one line, whatever else writes to the file, and is there even if the process dies next.
  const write = (entry: LedgerEntry) =>
    ledger === undefined
      ? Effect.logInfo("effect", entry)
      : Effect.sync(() => appendFileSync(ledger, `${JSON.stringify(entry)}\n`))
  return Layer.succeed(Effects, {
    perform: (effect) => Effect.zipRight(Effect.sleep(delayMs), Effect.flatMap(entryOf(effect), write))
  })
}
