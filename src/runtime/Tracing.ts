import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import type { AttemptOutcome } from "../model/Firing.js"
import type { DefinitionKey, RunId } from "../model/Ids.js"
import type { RunCommit } from "../model/Run.js"
import type { HeldRun } from "./HeldRun.js"
import type { StartFiring } from "./RunState.js"

/** What spans say of a run. */
interface TracedRun {
  readonly runId: RunId
  readonly key: DefinitionKey
}

/**
 * Tells a tracer what becomes of runs: one trace each, from the start on, in whatever processes it is executed.
 *
 * **Details** Where no tracer is set when the engine is built, nothing is done and nothing kept. Spans bear names and numbers, never
 * values.
 */
export class Tracing extends Context.Tag("perdure/Tracing")<
  Tracing,
  {
    /**
     * Opens the trace of a run that begins now, within that of its caller if there is one; gives what its frontier keeps.
     *
     * **Details** One of a batch has a trace of its own, with a link to its caller: thousands of runs in one trace nobody could read.
     */
    readonly begin: (run: TracedRun, isOneOfMany: boolean) => Effect.Effect<string | undefined>
    /** An attempt as a span, around whatever spans its handler makes. */
    readonly attempt: <R>(
      run: HeldRun,
      start: StartFiring,
      work: Effect.Effect<AttemptOutcome, never, R>
    ) => Effect.Effect<AttemptOutcome, never, R>
    /** A commit as a span, and each firing that ended with it; times in milliseconds since the epoch. */
    readonly committed: (run: HeldRun, commit: RunCommit, decidedAt: number, now: number) => void
  }
>() {}

/** The tracer of who has set none. */
const nobody = Effect.runSync(Effect.tracer)

const nanos = (ms: number): bigint => BigInt(Math.round(ms * 1_000_000))

const textOf = ({ sampled, spanId, traceId }: Tracer.AnySpan): string =>
  `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`

const parentOf = (trace: string): Option.Option<Tracer.AnySpan> => {
  const [, traceId, spanId, flags] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])$/.exec(trace) ?? []
  return traceId === undefined || spanId === undefined
    ? Option.none()
    : Option.some(Tracer.externalSpan({ traceId, spanId, sampled: flags === "01" }))
}

const namesOf = ({ key, runId }: TracedRun) => ({
  "perdure.run_id": runId,
  "perdure.workflow": key.workflow,
  "perdure.workflow_version": key.workflowVersion
})

/** A node's number in the words of a trace. */
const placeOf = (nodeId: string, firing: number, attempt: number) => ({
  "perdure.node_id": nodeId,
  "perdure.firing": firing,
  "perdure.attempt": attempt
})

const traced = ({ registered, state }: HeldRun): TracedRun => ({ key: registered.key, runId: state.runId })

const endings = new Set(["completed", "failed", "cancelled", "skipped"])

const silent: Context.Tag.Service<Tracing> = {
  begin: () => Effect.succeed(undefined),
  attempt: (_, __, work) => work,
  committed: () => undefined
}

const telling = (tracer: Tracer.Tracer): Context.Tag.Service<Tracing> => {
  const over = (name: string, parent: Tracer.AnySpan, from: number, to: number, words: Record<string, unknown>) => {
    const span = tracer.span(name, Option.some(parent), Context.empty(), [], nanos(from), "internal")
    for (const [key, value] of Object.entries(words)) span.attribute(key, value)
    span.end(nanos(Math.max(from, to)), Exit.void)
  }
  return {
    begin: (run, isOneOfMany) =>
      Effect.flatMap(Effect.serviceOption(Tracer.ParentSpan), (caller) => {
        const links = Option.toArray(caller).map((span) => ({ _tag: "SpanLink" as const, span, attributes: {} }))
        const alone = isOneOfMany ? { root: true, links } : {}
        return Effect.useSpan("perdure.start", { attributes: namesOf(run), ...alone }, (span) =>
          Effect.succeed(textOf(span))
        )
      }).pipe(Effect.withTracer(tracer)),
    attempt: (run, { firing, node }, work) => {
      const parent = Option.getOrUndefined(parentOf(run.state.frontier.trace ?? ""))
      if (parent === undefined) return work
      const nodeId = run.registered.plan.nodes[node]!.id
      const attributes = { ...namesOf(traced(run)), ...placeOf(nodeId, firing.firing, firing.attempt) }
      return Effect.useSpan("perdure.attempt", { parent, attributes }, (span) =>
        Effect.tap(Effect.withParentSpan(work, span), (outcome) =>
          Effect.sync(() => {
            span.attribute("perdure.outcome", outcome._tag)
            if (outcome._tag === "Failed") span.attribute("perdure.failure", outcome.kind)
          })
        )
      ).pipe(Effect.withTracer(tracer))
    },
    committed: (run, commit, decidedAt, now) => {
      const parent = Option.getOrUndefined(parentOf(run.state.frontier.trace ?? ""))
      if (parent === undefined) return
      const words = namesOf(traced(run))
      const { status, version } = commit
      over("perdure.commit", parent, decidedAt, now, { ...words, "perdure.commit": version, "perdure.status": status })
      for (const { attempt, firing, nodeId, startedAt, status: end } of commit.firings) {
        if (!endings.has(end)) continue
        const place = { ...words, ...placeOf(nodeId, firing, attempt), "perdure.status": end }
        over("perdure.firing", parent, startedAt ?? decidedAt, now, place)
      }
    }
  }
}

/** Tells the tracer that is set where the engine is built. */
export const layer: Layer.Layer<Tracing> = Layer.effect(
  Tracing,
  Effect.map(Effect.tracer, (tracer) => (tracer === nobody ? silent : telling(tracer)))
)
