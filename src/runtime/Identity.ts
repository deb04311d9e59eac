import { randomUUID } from "node:crypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import type { DatabaseError } from "../model/Errors.js"
import { Incarnation } from "../model/Ids.js"
import { selfAnywhere } from "../store/ProcessIdentity.js"
import { Transactor } from "../store/Transactor.js"
import { Workers } from "../store/Workers.js"
import { Settings } from "./Settings.js"
import { Vitality } from "./Vitality.js"

/** Who this worker is at the moment: a new incarnation each time it registers. */
export class Identity extends Context.Tag("perdure/Identity")<
  Identity,
  {
    readonly current: Effect.Effect<Incarnation>
    /** Registers under a new incarnation: the one before was declared dead, or this is the start. */
    readonly renew: Effect.Effect<Incarnation, DatabaseError>
  }
>() {}

const make = Effect.gen(function* () {
  const settings = yield* Settings
  const transactor = yield* Transactor
  const workers = yield* Workers
  const vitality = yield* Vitality
  const incarnation = yield* Ref.make(Incarnation.make(randomUUID()))

  const register = (next: Incarnation) =>
    transactor.transact(
      "register",
      workers.register({
        incarnation: next,
        workerId: settings.workerId,
        process: selfAnywhere(),
        leaseMs: workers.exclusive ? neverMs : settings.leaseMs,
        exclusive: workers.exclusive
      })
    )

  const renew = Effect.suspend(() => {
    const next = Incarnation.make(randomUUID())
    const sentAt = vitality.now()
    return register(next).pipe(
      Effect.zipRight(Ref.set(incarnation, next)),
      Effect.zipRight(Effect.sync(() => vitality.beaten(sentAt))),
      Effect.as(next)
    )
  })
  yield* renew
  return { current: Ref.get(incarnation), renew }
})

/** The longest lease a row can hold, 24 days; an exclusive worker moves its heartbeat long before. */
const neverMs = 2 ** 31 - 1

export const layer: Layer.Layer<Identity, DatabaseError, Transactor | Workers | Vitality> = Layer.effect(Identity, make)
