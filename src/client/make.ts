import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Any } from "../definition/Workflow.js"
import { encodePayload, fromType, inputIdFrom, queryFrom, runIdFrom, signalFrom } from "../engine/Requests.js"
import { answerOf, resultOf } from "../engine/Results.js"
import { RunCursor } from "../http/Query.js"
import { DefinitionMismatch, InvalidInput, NodeNotFound } from "../model/Errors.js"
import { toJsonText } from "../model/Json.js"
import { isEnded } from "../model/Status.js"
import type { ClientApi } from "./Client.js"
import { connect, type Http } from "./Connect.js"
import { follow } from "./Follow.js"
import type { ClientOptions } from "./Options.js"
import { persistently } from "./Patience.js"
import { makeStarts } from "./Starts.js"
import { locally } from "./Trouble.js"

/** Seconds of one question for a result. */
const waitSeconds = 30

/** A text as JSON gives it; undefined stays. */
const textOf = (value: unknown): string | null =>
  value === undefined ? null : Either.match(toJsonText(value), { onLeft: () => null, onRight: ({ text }) => text })

const makeSends = (http: Http): Pick<ClientApi, "trigger" | "signal"> => ({
  trigger: (workflow, id, nodeId, payload, options) =>
    Effect.gen(function* () {
      const schema = workflow.nodes.get(nodeId)?.payload
      if (schema === undefined) return yield* new NodeNotFound({ workflow: workflow.name, nodeId })
      const runId = yield* runIdFrom(id)
      const inputId = yield* inputIdFrom(options.inputId)
      const { value } = yield* encodePayload(schema, payload, fromType)
      const call = { path: { runId, nodeId }, payload: { inputId, payload: value }, urlParams: {} }
      return yield* persistently(locally(http.runs.trigger(call)))
    }),
  signal: (_, id, nodeId, signal, payload, options) =>
    Effect.gen(function* () {
      const path = { runId: yield* runIdFrom(id), nodeId, signal: yield* signalFrom(signal.name) }
      const inputId = yield* inputIdFrom(options.inputId)
      const { value } = yield* encodePayload(signal.payload, payload, fromType)
      return yield* persistently(
        locally(http.runs.signal({ path, payload: { inputId, payload: value }, urlParams: {} }))
      )
    })
})

const makeQuery =
  (http: Http): ClientApi["query"] =>
  (workflow, id, nodeId, query) =>
    Effect.gen(function* () {
      const path = { runId: yield* runIdFrom(id), nodeId, query: yield* queryFrom(query.name) }
      const found = yield* persistently(locally(http.runs.query({ path, urlParams: {} })))
      const text = found.answered ? Option.fromNullable(textOf(found.answer)) : Option.none()
      return yield* answerOf(workflow, query, text)
    })

const makeAwaits = (http: Http): Pick<ClientApi, "await" | "awaitEnd"> => {
  const look = (runId: Effect.Effect.Success<ReturnType<typeof runIdFrom>>) =>
    persistently(locally(http.runs.result({ path: { runId }, urlParams: { wait: waitSeconds } })))
  const awaitEnd: ClientApi["awaitEnd"] = (id) =>
    Effect.gen(function* () {
      const runId = yield* runIdFrom(id)
      const seen = yield* Effect.repeat(look(runId), { until: ({ status }) => isEnded(status) })
      const output = "output" in seen ? textOf(seen.output) : null
      const failure = "error" in seen ? textOf(seen.error) : null
      return { runId, status: seen.status, output, failure }
    })
  return {
    awaitEnd,
    await: (workflow, id) =>
      Effect.flatMap(awaitEnd(id), (run) =>
        Effect.catchTag(resultOf(workflow, run), "UndecodableRow", ({ reason }) => mismatch(workflow, reason))
      )
  }
}

const decodeCursor = Schema.decode(RunCursor)

const mismatch = ({ name, version }: Any, reason: string) =>
  Effect.fail(new DefinitionMismatch({ workflow: name, version, reason }))

const makeReads = (http: Http): Pick<ClientApi, "get" | "list" | "events" | "explain" | "workflows"> => ({
  get: (id) =>
    Effect.flatMap(runIdFrom(id), (runId) => persistently(locally(http.runs.run({ path: { runId }, urlParams: {} })))),
  list: (query = {}) => {
    const { cursor, ...filter } = query
    const page = (place: object) => persistently(locally(http.runs.list({ urlParams: { ...filter, ...place } })))
    if (cursor === undefined) return page({})
    return decodeCursor(cursor).pipe(
      Effect.mapError(() => new InvalidInput({ field: "cursor", reason: "expected a nextCursor of this list" })),
      Effect.flatMap((place) => page({ cursor: place }))
    )
  },
  events: (id, { after, limit, nodeId } = {}) =>
    Effect.gen(function* () {
      const runId = yield* runIdFrom(id)
      const urlParams = {
        ...(after === undefined ? {} : { cursor: after }),
        ...(limit === undefined ? {} : { limit }),
        ...(nodeId === undefined ? {} : { nodeId })
      }
      const { events } = yield* persistently(locally(http.runs.events({ path: { runId }, urlParams })))
      return events
    }),
  explain: (id) =>
    Effect.gen(function* () {
      const runId = yield* runIdFrom(id)
      const { explanation } = yield* persistently(locally(http.runs.explain({ path: { runId }, urlParams: {} })))
      return explanation
    }),
  workflows: persistently(locally(http.workflows.workflows({ urlParams: {} })))
})

type Verb = "cancel" | "pause" | "resume" | "retry" | "unpark"

const makeCommands = ({ runs }: Http): Pick<ClientApi, Verb> => {
  const command =
    (verb: Verb) =>
    (id: string): ReturnType<ClientApi["cancel"]> =>
      Effect.gen(function* () {
        const runId = yield* runIdFrom(id)
        const { status } = yield* locally(runs[verb]({ path: { runId }, payload: {}, urlParams: {} }))
        return status
      })
  return {
    cancel: command("cancel"),
    pause: command("pause"),
    resume: command("resume"),
    retry: command("retry"),
    unpark: command("unpark")
  }
}

/** Builds the client of a server over an `HttpClient`. */
export const make = (options: ClientOptions): Effect.Effect<ClientApi, never, HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const http = yield* connect(options)
    const client = yield* HttpClient.HttpClient
    return {
      ...makeStarts(http),
      ...makeSends(http),
      ...makeReads(http),
      ...makeCommands(http),
      ...makeAwaits(http),
      query: makeQuery(http),
      follow: follow(client, options)
    }
  })
