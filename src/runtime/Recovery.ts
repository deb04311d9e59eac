import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type { DatabaseError, UndecodableRow } from "../model/Errors.js"
import type { RunId } from "../model/Ids.js"
import { Limits } from "../model/Limits.js"
import type { RunCommand, RunRow, TriggerInput } from "../model/Run.js"
import { Inbox, type InboxMessage, type PendingMessages, type PendingRange } from "../store/Inbox.js"
import { type ClaimedRun, type ClaimLook, type Claims, StateStore } from "../store/StateStore.js"
import { Transactor } from "../store/Transactor.js"
import { TriggerStore } from "../store/TriggerStore.js"
import { groupByRun } from "./ByRun.js"
import { Definitions, type Registered } from "./Definitions.js"
import type { HeldRun } from "./HeldRun.js"
import { Identity } from "./Identity.js"
import { fromRows, pendingRanges, type RunRows } from "./Rebuild.js"
import type { Parking } from "./RunEnvironment.js"
import type { RunState } from "./RunState.js"
import { RunSupervisor } from "./RunSupervisor.js"
import { Vitality } from "./Vitality.js"

/**
 * Brings runs that nobody alive holds to life here: the one program for boot, steady sweep and wake-up.
 *
 * **Details** In one transaction: claim under a new fence, count crashes, read what is pending, inputs and commands from outside
 * included. Then it commits, and only then are fibers built from the rows. No history is read or replayed.
 */
export class Recovery extends Context.Tag("perdure/Recovery")<
  Recovery,
  {
    /**
     * Claims at most `limit` runs, look by look in one transaction, and brings them to life with all that waits for them; gives
     * those that were claimed.
     */
    readonly claim: (
      looks: ReadonlyArray<ClaimLook>,
      limit: number
    ) => Effect.Effect<ReadonlyArray<RunId>, DatabaseError | UndecodableRow>
  }
>() {}

/** What one claim came to, before anything lives. */
interface Rebuilt {
  readonly held: ReadonlyArray<HeldRun>
  readonly broken: ReadonlyArray<Parking>
}

const make = Effect.gen(function* () {
  const transactor = yield* Transactor
  const states = yield* StateStore
  const inbox = yield* Inbox
  const triggers = yield* TriggerStore
  const supervisor = yield* RunSupervisor
  const definitions = yield* Definitions
  const identity = yield* Identity
  const vitality = yield* Vitality

  /** What the first look leaves of the limit is for the next one. */
  const take = (looks: ReadonlyArray<ClaimLook>, limit: number) =>
    Effect.gen(function* () {
      const incarnation = yield* identity.current
      const claimed: Array<ClaimedRun> = []
      const undecodable: Array<Claims["undecodable"][number]> = []
      for (const look of looks) {
        const left = limit - claimed.length - undecodable.length
        if (left <= 0) break
        const taken = yield* states.claim(incarnation, look, left)
        claimed.push(...taken.claimed)
        undecodable.push(...taken.undecodable)
      }
      return { claimed, undecodable }
    })

  const read = (looks: ReadonlyArray<ClaimLook>, limit: number) =>
    Effect.gen(function* () {
      const { claimed, undecodable } = yield* take(looks, limit)
      const { known, ranges, strange } = recognize(claimed, definitions)
      if (strange.length > 0) {
        yield* states.release(strange.map((row) => ({ ...row, ready: true, dueAt: null, force: true })))
      }
      const { messages, undecodable: unreadable } = yield* inbox.pending(ranges)
      const runIds = [...claimed.map(idOf), ...undecodable.map(({ runId }) => runId)]
      const outside = yield* arrived(known.map(({ run }) => run.row.runId))
      return { ...outside, claimed: known, messages, undecodable, unreadable, runIds }
    })

  /** A row that can't be read must not keep runs from being claimed: whoever hands over what arrives later says so. */
  const arrived = (runIds: ReadonlyArray<RunId>) =>
    Effect.catchTag(
      Effect.all({ inputs: triggers.inputs(runIds), commands: triggers.commands(runIds) }),
      "UndecodableRow",
      () => Effect.succeed({ inputs: [], commands: [] })
    )

  const rebuild = (found: {
    readonly claimed: ReadonlyArray<{ readonly run: ClaimedRun; readonly registered: Registered }>
    readonly messages: ReadonlyArray<InboxMessage>
    readonly undecodable: Claims["undecodable"]
    readonly unreadable: PendingMessages["undecodable"]
    readonly inputs: ReadonlyArray<TriggerInput>
    readonly commands: ReadonlyArray<RunCommand>
  }): Rebuilt => {
    const messages = groupByRun(found.messages)
    const inputs = groupByRun(found.inputs)
    const commands = groupByRun(found.commands)
    const broken = new Map(found.unreadable.map(({ error, runId }) => [runId, error.message]))
    const held: Array<HeldRun> = []
    const parkings = found.undecodable.map(({ error, fence, runId }) => undecodable(runId, fence, error.message))
    for (const { registered, run } of found.claimed) {
      const { fence, runId } = run.row
      const unreadable = broken.get(runId)
      const state =
        unreadable === undefined
          ? readable(registered, { row: run.row, firings: run.firings, messages: messages.get(runId) ?? [] })
          : Either.left(unreadable)
      if (Either.isLeft(state)) parkings.push(undecodable(runId, fence, state.left))
      else if (poisonOf(state.right) !== undefined)
        parkings.push({ runId, fence, reason: "Poison", detail: poisonOf(state.right)! })
      else {
        const outside = { inputs: inputs.get(runId) ?? [], commands: commands.get(runId) ?? [] }
        held.push({ registered, state: state.right, fence, starts: [], ...outside })
      }
    }
    return { held, broken: parkings }
  }

  const claim = (looks: ReadonlyArray<ClaimLook>, limit: number) =>
    Effect.suspend(() => {
      const size = Math.min(limit, supervisor.room())
      const takesOver = vitality.mayTakeOver()
      const allowed = looks
        .filter(({ _tag }) => takesOver || _tag !== "Orphaned")
        .map((look) => (look._tag === "Named" ? { ...look, takesOver } : look))
      if (size <= 0 || allowed.length === 0) return Effect.succeed([])
      supervisor.reserve(size)
      return transactor.transact("claim", read(allowed, size)).pipe(
        Effect.flatMap((found) => {
          const { broken, held } = rebuild(found)
          for (const run of held) supervisor.adopt(run)
          return Effect.as(Effect.forEach(broken, supervisor.park, { discard: true }), found.runIds)
        }),
        Effect.ensuring(Effect.sync(() => supervisor.reserve(-size)))
      )
    }).pipe(Effect.uninterruptible)

  return { claim }
})

const idOf = ({ row }: ClaimedRun): RunId => row.runId

/** Runs with their definitions and what is to be read of them; and those whose workflow has left this process meanwhile: others have it, or they are parked in time. */
const recognize = (claimed: ReadonlyArray<ClaimedRun>, definitions: Context.Tag.Service<Definitions>) => {
  const known: Array<{ readonly run: ClaimedRun; readonly registered: Registered }> = []
  const ranges: Array<PendingRange> = []
  const strange: Array<RunRow> = []
  for (const run of claimed) {
    const registered = definitions.find(run.row.workflow, run.row.workflowVersion)
    if (registered === undefined) {
      strange.push(run.row)
      continue
    }
    known.push({ run, registered })
    for (const range of pendingRanges(registered.plan, run.row)) ranges.push(range)
  }
  return { known, ranges, strange }
}

const undecodable = (runId: RunId, fence: number, detail: string): Parking => ({
  runId,
  fence,
  reason: "UndecodableRow",
  detail
})

/** What of a run its process died of too often, if anything; a run that is over starts nothing more but what undoes its work. */
const poisonOf = (state: RunState): string | undefined => {
  const isOver = state.cancelling || state.frontier.undo?.over !== undefined
  for (const index of state.active) {
    if (isOver && index !== state.plan.undo?.index) continue
    for (const { crashes, firing } of state.nodes[index]!.open) {
      if (crashes < Limits.crashesBeforeAlone + Limits.crashesBeforeParking) continue
      return `the process died ${crashes} times while ${state.plan.nodes[index]!.id}/${firing} ran, the last ${Limits.crashesBeforeParking} times alone`
    }
  }
  return undefined
}

/** The state that rows give; damage that nobody thought of costs this run, and none of those claimed with it. */
const readable = (registered: Registered, rows: RunRows): Either.Either<RunState, string> =>
  Either.flatMap(
    Either.try({
      try: () => fromRows(registered.plan, rows),
      catch: (defect) => `its rows can't be put together: ${String(defect)}`
    }),
    (state) => state
  )

export const layer: Layer.Layer<
  Recovery,
  never,
  Transactor | StateStore | Inbox | TriggerStore | RunSupervisor | Definitions | Identity | Vitality
> = Layer.effect(Recovery, make)
