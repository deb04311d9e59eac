import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { NodeContext } from "../definition/NodeContext.js"

/** One thing done outside, as the outside remembers it. */
export interface LedgerEntry {
  readonly key: string
  readonly effect: string
  readonly runId: string
  readonly nodeId: string
  readonly firing: number
  readonly attempt: number
  /** How often it was asked for under this key. */
  requests: number
}

/**
 * A stand-in for the world outside: what handlers do to it is there for good, whatever dies.
 *
 * **Details** Like a good payment provider it does the same key once. A firing that asks under a new key each time has done
 * it several times; that is what the ledger is there to show.
 *
 * @example
 * const ChargeHandler = Charge.toLayer(({ amount }) =>
 *   Effect.gen(function* () {
 *     const { idempotencyKey } = yield* NodeContext
 *     yield* (yield* Ledger).record("charge", idempotencyKey)
 *     return { receipt: amount }
 *   })
 * )
 */
export class Ledger extends Context.Tag("perdure/testing/Ledger")<
  Ledger,
  {
    /** Does something outside under a key; false when that key was done before. */
    readonly record: (effect: string, key: string) => Effect.Effect<boolean, never, NodeContext>
  }
>() {}

/** What a ledger is made of: where the entries go, and the points around an effect. */
export interface LedgerHost {
  readonly entries: Array<LedgerEntry>
  readonly hit: (
    kind: "effect",
    name: string
  ) => { readonly before: Effect.Effect<void>; readonly after: Effect.Effect<void> }
}

const make = (host: LedgerHost): Context.Tag.Service<Ledger> => ({
  record: (effect, key) =>
    Effect.gen(function* () {
      const { attempt, firing, nodeId, runId } = yield* NodeContext
      const { after, before } = host.hit("effect", `effect ${effect} of ${nodeId}`)
      yield* before
      const known = host.entries.find((entry) => entry.key === key && entry.effect === effect)
      if (known === undefined) host.entries.push({ key, effect, runId, nodeId, firing, attempt, requests: 1 })
      else known.requests++
      yield* after
      return known === undefined
    })
})

/** The ledger of a world. */
export const layer = (host: LedgerHost): Layer.Layer<Ledger> => Layer.succeed(Ledger, make(host))
