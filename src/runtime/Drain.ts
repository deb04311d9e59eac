import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { AttemptOutcome } from "../model/Firing.js"
import type { NodeCodec } from "./Codec.js"
import type { Registered } from "./Definitions.js"
import type { PlanNode, PlanPort } from "./Plan.js"
import type { StartFiring } from "./RunState.js"
import type { StreamSession } from "./StreamSession.js"

/** The attempt whose streams are drained. */
export interface DrainSite {
  readonly registered: Registered
  readonly start: StartFiring
  /** Made when it is asked for. */
  readonly streams: StreamSession
  /** Whether an attempt before may have given something. */
  readonly mayHaveGiven: boolean
  /** What was given on ports while the attempt ran. */
  readonly streamed: Readonly<Record<string, number>> | undefined
  /** How far its streams were read. */
  readonly read: StreamSession["read"]
}

/** Stands for a stream that was drained, or for an array whose elements were given like those of one. */
export class Streamed {
  constructor(
    readonly count: number,
    readonly elements: ReadonlyArray<unknown> = []
  ) {}
}

const isStream = (given: unknown): given is Stream.Stream<unknown, unknown> =>
  Predicate.hasProperty(given, Stream.StreamTypeId)

const planOf = (site: DrainSite): PlanNode => site.registered.plan.nodes[site.start.node]!

/**
 * Drains the streams among the outputs, all at once.
 *
 * **Details** An array is given whole with the end of its attempt, unless an attempt before gave a stream, of which rows have a
 * part already: then it is compared with that, and given like one.
 */
export const drain = (site: DrainSite, codec: NodeCodec, result: unknown): Effect.Effect<unknown, unknown> => {
  const given = typeof result === "object" && result !== null ? Object.entries(result) : []
  const work = planOf(site).ports.flatMap((port) => {
    if (port.mode !== "many") return []
    const [, value] = given.find(([name]) => name === port.name) ?? []
    if (isStream(value)) return [drained(site, codec, port, value)]
    return Array.isArray(value) && site.mayHaveGiven ? [drainedIfBegun(site, codec, port, value)] : []
  })
  if (work.length === 0) return Effect.succeed(result)
  return Effect.map(Effect.all(work, { concurrency: "unbounded" }), (outputs) =>
    Object.fromEntries([...given, ...outputs])
  )
}

type Output = readonly [port: string, given: unknown]

const drained = (
  site: DrainSite,
  codec: NodeCodec,
  port: PlanPort,
  stream: Stream.Stream<unknown, unknown>,
  elements?: ReadonlyArray<unknown>
): Effect.Effect<Output, unknown> =>
  Effect.map(
    site.streams.output(port, codec.outputs.get(port.name)!, stream),
    (count) => [port.name, new Streamed(count, elements)] as const
  )

const drainedIfBegun = (
  site: DrainSite,
  codec: NodeCodec,
  port: PlanPort,
  elements: ReadonlyArray<unknown>
): Effect.Effect<Output, unknown> =>
  Effect.flatMap(site.streams.hasGiven(port), (begun) =>
    begun
      ? drained(site, codec, port, Stream.fromIterable(elements), elements)
      : Effect.succeed([port.name, elements] as const)
  )

/** The end of an attempt, with how far it has read its streams. */
export const withRead = (site: DrainSite, outcome: AttemptOutcome): AttemptOutcome => {
  const { read } = site
  if (read === undefined || (outcome._tag !== "Completed" && outcome._tag !== "Failed")) return outcome
  return { ...outcome, read }
}

/** A failure, with what was given before, by attempts before too. */
export const withStreamed = (site: DrainSite, outcome: AttemptOutcome): Effect.Effect<AttemptOutcome> => {
  if (outcome._tag !== "Failed") return Effect.succeed(outcome)
  const { streamed = {} } = site
  const { errorPort, ports } = planOf(site)
  const open = ports.filter(({ mode, name }) => mode === "many" && (streamed[name] ?? 0) === 0)
  // Only where the run goes on behind the failure does anybody ask.
  const asks = errorPort !== undefined && outcome.error !== undefined && open.length > 0 && site.mayHaveGiven
  const before = asks ? Effect.filter(open, (port) => site.streams.hasGiven(port)) : Effect.succeed([])
  return Effect.map(before, (begun) => {
    const all = { ...streamed, ...Object.fromEntries(begun.map(({ name }) => [name, 1])) }
    return withRead(site, Object.keys(all).length === 0 ? outcome : { ...outcome, streamed: all })
  })
}
