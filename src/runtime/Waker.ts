import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import type { DatabaseError, UndecodableRow } from "../model/Errors.js"
import type { RunId } from "../model/Ids.js"
import { Limits } from "../model/Limits.js"
import { isEnded } from "../model/Status.js"
import type { ClaimLook, StateStore } from "../store/StateStore.js"
import { Transactor } from "../store/Transactor.js"
import { TriggerStore, type Unapplied } from "../store/TriggerStore.js"
import { type Wakeup, Wakeups } from "../store/Wakeups.js"
import { Workers } from "../store/Workers.js"
import type { AuditTrail } from "./AuditTrail.js"
import { Awaiters } from "./Awaiters.js"
import { groupByRun } from "./ByRun.js"
import { careful } from "./Careful.js"
import type { DatabaseClock } from "./DatabaseClock.js"
import { Definitions } from "./Definitions.js"
import { Recovery } from "./Recovery.js"
import { makeRetry } from "./Retry.js"
import { type Look, RunSupervisor } from "./RunSupervisor.js"
import { Settings } from "./Settings.js"
import { makeUnheldCancel } from "./UnheldCancel.js"
import { Vitality } from "./Vitality.js"

type Trouble = DatabaseError | UndecodableRow

/**
 * Looks for work: everything that can make a run move is true in the rows, and found by looking again.
 *
 * **Details** Two loops: one looks at all there is at regular, jittered times; one looks at single runs as soon as
 * somebody says that it may be worth it. A lost word costs one interval.
 */
export class Waker extends Context.Tag("perdure/Waker")<
  Waker,
  {
    /** Everything once: claims, unapplied inputs and commands, those who wait for an end. */
    readonly sweep: Effect.Effect<void, Trouble>
    /** Claims whatever can be claimed, while there is room. */
    readonly claim: Effect.Effect<void, Trouble>
    /** These runs now: claims them if nobody alive holds them and hands over what waits for them. */
    readonly look: (runIds: ReadonlyArray<RunId>) => Effect.Effect<void, Trouble>
    /** When everything was last looked at, on the clock of {@link Vitality}; undefined before that was done once. */
    readonly sweptAt: () => number | undefined
  }
>() {}

const make = Effect.gen(function* () {
  const settings = yield* Settings
  const transactor = yield* Transactor
  const triggers = yield* TriggerStore
  const wakeups = yield* Wakeups
  const workers = yield* Workers
  const awaiters = yield* Awaiters
  const definitions = yield* Definitions
  const recovery = yield* Recovery
  const supervisor = yield* RunSupervisor
  const vitality = yield* Vitality
  const cancelUnheld = yield* makeUnheldCancel
  const retry = yield* makeRetry
  const cursors = { input: "0", command: "0" }

  /** Claims while there is room and the look comes back full. */
  const claimAll = (looks: ReadonlyArray<ClaimLook>): Effect.Effect<void, Trouble> =>
    Effect.flatMap(recovery.claim(looks, Limits.claimBatch), ({ length }) =>
      length === Limits.claimBatch ? claimAll(looks) : Effect.void
    )

  const claimsOf = (tags: ReadonlyArray<"Orphaned" | "Due" | "Ready">) =>
    Effect.suspend(() => {
      const mine = definitions.keys()
      if (mine.length === 0) return Effect.void
      return claimAll(tags.map((_tag) => ({ _tag, definitions: mine })))
    })
  const claims = claimsOf(["Orphaned", "Due", "Ready"])

  /** Reads what waits for live runs and hands it to them. */
  const handOver = (runIds: ReadonlyArray<RunId>) =>
    Effect.gen(function* () {
      const live = runIds.filter(supervisor.has)
      if (live.length === 0) return
      const [inputs, commands] = yield* transactor.read(
        "inputs",
        Effect.all([triggers.inputs(live), triggers.commands(live)])
      )
      const inputsOf = groupByRun(inputs)
      const commandsOf = groupByRun(commands)
      for (const runId of live) supervisor.deliver(runId, inputsOf.get(runId) ?? [], commandsOf.get(runId) ?? [])
    })

  const isAway = (runId: RunId) => !supervisor.has(runId)

  const look = (runIds: ReadonlyArray<RunId>) =>
    Effect.gen(function* () {
      const here = runIds.filter(supervisor.has)
      const away = runIds.filter(isAway)
      const named = { _tag: "Named", runIds: away, definitions: definitions.keys() } as const
      const claimed = new Set(away.length > 0 ? yield* recovery.claim([named], away.length) : [])
      yield* handOver(claimed.size === 0 ? runIds : runIds.filter((runId) => !claimed.has(runId)))
      // A run that left memory meanwhile may have taken no word of this with it: it is looked at as one that is away.
      for (const runId of here) if (isAway(runId)) supervisor.lookAt(runId)
    })

  /** One look at what is unapplied, going round: a page that nobody can apply never hides the next. */
  const unapplied = (kind: "input" | "command") =>
    Effect.gen(function* () {
      const found = yield* transactor.read("look", triggers.look(kind, cursors[kind], Limits.lookBatch))
      cursors[kind] = found.length < Limits.lookBatch ? "0" : found[found.length - 1]!.seq
      const late = distinct(found.filter(isLate))
      if (late.length > 0 && kind === "command") yield* retry(late)
      if (late.length > 0) yield* transactor.transact("settle", triggers.settleLate(late))
      yield* look(distinct(found.filter((each) => !isLate(each))))
      // Whom nobody could hand it to: parked, or of a workflow that nobody alive has.
      if (kind === "command") {
        yield* cancelUnheld(distinct(found.filter((each) => !isEnded(each.runStatus) && !supervisor.has(each.runId))))
      }
    })

  let sweptAt: number | undefined
  const sweep = Effect.gen(function* () {
    yield* claims
    yield* unapplied("command")
    yield* unapplied("input")
    yield* awaiters.look(supervisor.has)
    sweptAt = vitality.now()
  })

  /** What arrived here for a run that lives elsewhere: where a look at it was enough, nobody else is told. */
  const tellOthers = (looks: Iterable<Look>) =>
    Effect.suspend(() => {
      const hints = new Map<string, Wakeup>()
      for (const { kind, runId } of looks) {
        if (kind !== undefined && !supervisor.has(runId)) hints.set(`${kind} ${runId}`, { kind, runId })
      }
      return wakeups.announce([...hints.values()])
    })

  const named = Effect.flatMap(Queue.takeBetween(supervisor.looks, 1, Limits.lookBatch), (looks) =>
    careful("A look", Effect.ensuring(look([...new Set(Chunk.map(looks, ({ runId }) => runId))]), tellOthers(looks)))
  )

  // Many hints while a claim is under way are worth one more claim.
  const claimBell = yield* Queue.sliding<void>(1)
  const rung = Effect.zipRight(Queue.take(claimBell), careful("A claim", claimsOf(["Ready"])))

  const hinted = (hint: Wakeup): Effect.Effect<unknown> => {
    switch (hint.kind) {
      case "ready":
        return Queue.offer(claimBell, undefined)
      case "ended":
        return careful("A look", awaiters.look(supervisor.has))
      default:
        return Effect.sync(() => supervisor.lookAt(hint.runId))
    }
  }

  const pause = Effect.flatMap(Random.nextRange(0.8, 1.2), (factor) =>
    Effect.sleep(Duration.millis(settings.pollMs * factor))
  )

  /** Runs end in other processes too; who waits for one should not wait for a whole sweep. */
  const foreignEnds = Effect.flatMap(Effect.timed(careful("A look", awaiters.look(supervisor.has))), ([took]) => {
    const rest = Math.max(foreignEndMs, Duration.toMillis(took) * foreignEndRest)
    return Effect.sleep(Duration.millis(Math.min(settings.pollMs, rest)))
  })

  yield* Effect.forkScoped(Effect.forever(named))
  yield* Effect.forkScoped(Effect.forever(rung))
  if (!workers.exclusive) yield* Effect.forkScoped(Effect.forever(foreignEnds))
  yield* Effect.forkScoped(Stream.runForEach(wakeups.hints, hinted))
  yield* Effect.forkScoped(Effect.forever(Effect.zipRight(careful("The sweep", sweep), pause)))
  definitions.onRegistered(() => careful("A claim", claims))
  return { sweep, claim: claims, look, sweptAt: () => sweptAt }
})

/** Time between two looks at runs that are waited for and live elsewhere. */
const foreignEndMs = 200

/** Such a look takes a tenth of the time at most, however many are waited for. */
const foreignEndRest = 9

const isLate = (unapplied: Unapplied): boolean => isEnded(unapplied.runStatus) || unapplied.runStatus === "parked"

const distinct = (found: ReadonlyArray<Unapplied>): ReadonlyArray<RunId> => [
  ...new Set(found.map((each) => each.runId))
]

export const layer: Layer.Layer<
  Waker,
  never,
  | Transactor
  | StateStore
  | TriggerStore
  | Wakeups
  | Workers
  | AuditTrail
  | DatabaseClock
  | Vitality
  | Awaiters
  | Definitions
  | Recovery
  | RunSupervisor
> = Layer.scoped(Waker, make)
