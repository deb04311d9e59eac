import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import { Engine } from "../Engine.js"
import { isEnded } from "../model/Status.js"
import { Operator } from "../Operator.js"
import { readBody, readOptionalBody } from "./Body.js"
import { Api } from "./Contract.js"
import { onTheWire } from "./Failures.js"
import * as OperatorShapes from "./OperatorShapes.js"
import { eventOf, jsonOf, resultOf, runOf, summaryOf } from "./Present.js"
import { type ListEvents, type ListRuns, toCursor } from "./Query.js"
import { answer } from "./Respond.js"
import * as Shapes from "./Shapes.js"
import { Stopping } from "./Stopping.js"

/** Items of a page unless the caller says how many. */
const pageSize = 50

type EngineApi = (typeof Engine)["Service"]

/** One item more than asked for tells whether there is a next page. */
const page = <A>(items: ReadonlyArray<A>, limit: number): { readonly shown: ReadonlyArray<A>; readonly last?: A } => {
  const shown = items.slice(0, limit)
  const last = shown.at(-1)
  return items.length > limit && last !== undefined ? { shown, last } : { shown }
}

const list = (engine: EngineApi, query: Schema.Schema.Type<typeof ListRuns>) =>
  Effect.gen(function* () {
    const { cursor, limit = pageSize, ...filter } = query
    const runs = yield* onTheWire(
      engine.list({ ...filter, limit: limit + 1, ...(cursor === undefined ? {} : { after: cursor }) })
    )
    const { last, shown } = page(runs, limit)
    return yield* answer(Shapes.RunPage, {
      runs: shown.map(summaryOf),
      ...(last === undefined ? {} : { nextCursor: toCursor(last) })
    })
  })

const events = (engine: EngineApi, runId: string, query: Schema.Schema.Type<typeof ListEvents>) =>
  Effect.gen(function* () {
    const { cursor, limit = pageSize, ...filter } = query
    const found = yield* onTheWire(
      engine.events(runId, { ...filter, limit: limit + 1, ...(cursor === undefined ? {} : { after: cursor }) })
    )
    const { last, shown } = page(found, limit)
    return yield* answer(Shapes.Events, {
      events: shown.map(eventOf),
      ...(last === undefined ? {} : { nextCursor: last.seq })
    })
  })

/** The result of a run, waited for as long as the caller likes, the server goes on and the connection lasts. */
const result = (engine: EngineApi, stopping: (typeof Stopping)["Service"], runId: string, waitSeconds: number) =>
  Effect.gen(function* () {
    const ended =
      waitSeconds === 0
        ? Option.none()
        : yield* Effect.raceFirst(
            Effect.timeoutOption(engine.awaitEnd(runId), Duration.seconds(waitSeconds)),
            Effect.as(stopping.wait, Option.none())
          )
    const run = Option.isSome(ended) ? ended.value : yield* engine.get(runId)
    return isEnded(run.status)
      ? yield* answer(Shapes.Result, yield* resultOf(run))
      : yield* answer(Shapes.Status, { status: run.status }, 202)
  }).pipe(
    // Only a caller inside a transaction can be told so, and no request is.
    Effect.catchTag("AwaitInTransaction", (error) => Effect.die(error)),
    onTheWire
  )

/** A run as people see it. */
const detail = (engine: EngineApi, operator: Context.Tag.Service<Operator>, runId: string) =>
  Effect.gen(function* () {
    const found = yield* onTheWire(engine.get(runId))
    const definition = (yield* engine.workflows).find(
      ({ name, version }) => name === found.workflow && version === found.workflowVersion
    )
    const run = yield* onTheWire(runOf(found, definition))
    const attributes = yield* onTheWire(operator.attributes(runId))
    return yield* answer(Shapes.Run, Object.keys(attributes).length === 0 ? run : { ...run, attributes })
  })

/** The answer to a query, as its node has published it. */
const answerTo = (
  engine: EngineApi,
  path: { readonly runId: string; readonly nodeId: string; readonly query: string }
) =>
  Effect.flatMap(
    engine.queryEncoded(path.runId, path.nodeId, path.query),
    Option.match({
      onNone: () => Effect.succeed({ answered: false }),
      onSome: (text) =>
        Effect.map(jsonOf("run_steps", path.runId, text), (found) => ({ answered: true, answer: found }))
    })
  )

/** The calls about runs. */
export const layer = HttpApiBuilder.group(Api, "runs", (handlers) =>
  Effect.gen(function* () {
    const engine = yield* Engine
    const operator = yield* Operator
    const stopping = yield* Stopping

    const command = (ask: EngineApi["cancel"]) => (call: Parameters<typeof readOptionalBody>[0], runId: string) =>
      Effect.gen(function* () {
        yield* readOptionalBody(call, Shapes.Nothing)
        const status = yield* onTheWire(ask(runId))
        return yield* answer(Shapes.Status, { status }, 202)
      })

    return handlers
      .handleRaw("list", ({ urlParams }) => list(engine, urlParams))
      .handleRaw("run", ({ path }) => detail(engine, operator, path.runId))
      .handleRaw("result", ({ path, urlParams }) => result(engine, stopping, path.runId, urlParams.wait ?? 0))
      .handleRaw("trigger", ({ path, request }) =>
        Effect.gen(function* () {
          const body = yield* readBody(request, Shapes.SendTrigger)
          const { accepted } = yield* onTheWire(engine.triggerEncoded({ ...path, ...body }))
          return yield* answer(Shapes.Accepted, { accepted }, accepted ? 202 : 200)
        })
      )
      .handleRaw("signal", ({ path, request }) =>
        Effect.gen(function* () {
          const body = yield* readBody(request, Shapes.SendTrigger)
          const { accepted } = yield* onTheWire(engine.signalEncoded({ ...path, ...body }))
          return yield* answer(Shapes.Accepted, { accepted }, accepted ? 202 : 200)
        })
      )
      .handleRaw("query", ({ path }) =>
        Effect.flatMap(onTheWire(answerTo(engine, path)), (found) => answer(Shapes.Answered, found))
      )
      .handleRaw("cancel", ({ path, request }) => command(engine.cancel)(request, path.runId))
      .handleRaw("pause", ({ path, request }) => command(engine.pause)(request, path.runId))
      .handleRaw("resume", ({ path, request }) => command(engine.resume)(request, path.runId))
      .handleRaw("retry", ({ path, request }) => command(engine.retry)(request, path.runId))
      .handleRaw("unpark", ({ path, request }) => command(engine.unpark)(request, path.runId))
      .handleRaw("explain", ({ path }) =>
        Effect.flatMap(onTheWire(engine.explain(path.runId)), (explanation) =>
          answer(OperatorShapes.Explained, { runId: path.runId, explanation })
        )
      )
      .handleRaw("events", ({ path, urlParams }) => events(engine, path.runId, urlParams))
  })
)
