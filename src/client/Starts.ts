import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import type { Any, Input } from "../definition/Workflow.js"
import type { StartedRun, StartOptions } from "../Engine.js"
import { beginsFrom, encodeInput, fromType, runIdFrom } from "../engine/Requests.js"
import { mostStarts, type StartedRuns, StartRun } from "../http/Shapes.js"
import { Limits } from "../model/Limits.js"
import type { ClientApi } from "./Client.js"
import type { Http } from "./Connect.js"
import { UnexpectedAnswer } from "./Errors.js"
import { persistently } from "./Patience.js"
import { locally } from "./Trouble.js"

/** Bytes of one batch, well below what a server takes unless it was told otherwise; a larger start goes alone. */
const batchBytes = 500_000

/** A time as it goes over the wire. */
const momentOf = <K extends string>(key: K, ms: number | undefined): { readonly [P in K]?: string } =>
  ms === undefined ? {} : ({ [key]: new Date(ms).toISOString() } as { readonly [P in K]: string })

/** Keys in a JSON text, if not fewer: a text within it may look like one. */
const keysIn = (text: string): number => text.split('":').length - 1

const encodeStart = Schema.encode(StartRun)

/** A start as it goes over the wire, with the bytes of its input; what the contract does not take is refused here. */
const startOf = (workflow: Any, input: unknown, options: StartOptions) =>
  Effect.gen(function* () {
    const { ports, text } = yield* encodeInput(workflow, input, fromType)
    const runId = yield* runIdFrom(options.runId ?? crypto.randomUUID())
    const values = Object.fromEntries(Object.entries(ports).map(([port, { value }]) => [port, value]))
    const { name, version } = workflow
    const { deadline: _, startAt: __, ...rest } = options
    const begins = yield* beginsFrom(options)
    const times = { ...momentOf("startAt", begins.startAt), ...momentOf("deadline", begins.deadline) }
    const payload = { ...rest, ...times, workflow: name, version, runId, input: values }
    yield* locally(encodeStart(payload))
    const keys = Object.keys(payload).length + Object.keys(options.attributes ?? {}).length + keysIn(text)
    return { payload, keys, bytes: new TextEncoder().encode(text).length }
  })

type Start = Effect.Effect.Success<ReturnType<typeof startOf>>
type Outcome = Effect.Effect.Success<ReturnType<ClientApi["startMany"]>>[number]

/** Starts in their order, in batches that a server takes. */
const batchesOf = (starts: ReadonlyArray<Start>): ReadonlyArray<ReadonlyArray<Start>> => {
  const batches: Array<Array<Start>> = []
  let bytes = 0
  let keys = 1
  for (const start of starts) {
    const batch = batches.at(-1)
    bytes += start.bytes
    keys += start.keys
    if (batch === undefined || batch.length === mostStarts || bytes > batchBytes || keys > Limits.bodyKeys) {
      batches.push([start])
      bytes = start.bytes
      keys = 1 + start.keys
    } else batch.push(start)
  }
  return batches
}

const unanswered = () => new UnexpectedAnswer({ reason: "it does not say what became of each run" })

/** What became of one start of a batch. */
const outcomeOf = (result: (typeof StartedRuns.Type)["results"][number] | undefined): Effect.Effect<Outcome> => {
  if (result?.error !== undefined) return Effect.either(locally(Effect.fail(result.error)))
  const { created, runId, status } = result ?? {}
  return Effect.succeed(
    created === undefined || runId === undefined || status === undefined
      ? Either.left(unanswered())
      : Either.right<StartedRun>({ runId, status, created })
  )
}

/** One batch; where it fails as a whole, each of its starts has failed so. */
const startBatch = (http: Http, batch: ReadonlyArray<Start>): Effect.Effect<ReadonlyArray<Outcome>> =>
  persistently(
    locally(http.starts.startMany({ payload: { runs: batch.map(({ payload }) => payload) }, urlParams: {} }))
  ).pipe(
    Effect.matchEffect({
      onFailure: (error) => Effect.succeed(batch.map((): Outcome => Either.left(error))),
      onSuccess: ({ results }) => Effect.forEach(batch, (_, place) => outcomeOf(results[place]))
    })
  )

/** The calls that start runs. */
export const makeStarts = (http: Http): Pick<ClientApi, "start" | "startMany"> => ({
  start: (workflow, input, options = {}) =>
    Effect.gen(function* () {
      const { payload } = yield* startOf(workflow, input, options)
      const [run, response] = yield* persistently(
        locally(http.starts.start({ payload, urlParams: {}, withResponse: true }))
      )
      return { ...run, created: response.status === 201 }
    }),
  startMany: <W extends Any>(workflow: W, runs: ReadonlyArray<{ readonly input: Input<W> } & StartOptions>) =>
    Effect.gen(function* () {
      const starts = yield* Effect.forEach(runs, ({ input, ...options }) =>
        Effect.either(startOf(workflow, input, options))
      )
      const sent = yield* Effect.forEach(batchesOf(starts.filter(Either.isRight).map(({ right }) => right)), (batch) =>
        startBatch(http, batch)
      )
      const outcomes = sent.flat()
      let next = 0
      return starts.map(
        (start): Outcome =>
          Either.isLeft(start) ? Either.left(start.left) : (outcomes[next++] ?? Either.left(unanswered()))
      )
    })
})
