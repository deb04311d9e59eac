import { randomBytes } from "node:crypto"
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { locally } from "../../client/Trouble.js"
import { inputIdFrom, queryFrom, runIdFrom, signalFrom } from "../../engine/Requests.js"
import { scopes } from "../../http/Access.js"
import { showToken, tokenOf } from "../../http/Tokens.js"
import { json, line, table } from "../Printing.js"
import { CommandFailed, notFoundExit, remote, withServer } from "../Remote.js"
import { jsonArgument } from "../Values.js"

/** What the server executes. */
export const workflows = Command.make("workflows", remote, (options) =>
  withServer(options.url, (http) =>
    Effect.gen(function* () {
      const all = yield* locally(http.workflows.workflows({ urlParams: {} }))
      if (options.json) return yield* json(all)
      const rows = all.map(({ graph, hash, name, version }) => [name, version, graph.nodes.length, hash])
      yield* table(["WORKFLOW", "VERSION", "NODES", "HASH"], rows)
    })
  )
).pipe(Command.withDescription("The workflows the server executes"))

const payloadOption = Options.text("payload").pipe(Options.withDescription("JSON, @file, or - for standard input"))

const inputIdOption = Options.text("input-id").pipe(
  Options.withDescription("The event's own name: sent again, it changes nothing"),
  Options.optional
)

/** Says what became of something that was sent. */
const sent = (asJson: boolean, accepted: boolean, inputId: string) =>
  asJson ? json({ accepted, inputId }) : line(accepted ? `accepted as ${inputId}` : `${inputId} was there already`)

/** Sends an external event. */
export const trigger = Command.make(
  "trigger",
  {
    ...remote,
    runId: Args.text({ name: "runId" }),
    nodeId: Args.text({ name: "nodeId" }),
    payload: payloadOption,
    inputId: inputIdOption
  },
  (options) =>
    Effect.gen(function* () {
      const payload = yield* jsonArgument("payload", options.payload)
      yield* withServer(options.url, (http) =>
        Effect.gen(function* () {
          const runId = yield* runIdFrom(options.runId)
          const inputId = yield* inputIdFrom(Option.getOrElse(options.inputId, () => crypto.randomUUID()))
          const path = { runId, nodeId: options.nodeId }
          const { accepted } = yield* locally(http.runs.trigger({ path, payload: { inputId, payload }, urlParams: {} }))
          yield* sent(options.json, accepted, inputId)
        })
      )
    })
).pipe(Command.withDescription("Sends an external event to a node of a run"))

/** Sends a signal. */
export const signal = Command.make(
  "signal",
  {
    ...remote,
    runId: Args.text({ name: "runId" }),
    nodeId: Args.text({ name: "nodeId" }),
    signal: Args.text({ name: "signal" }),
    payload: payloadOption,
    inputId: inputIdOption
  },
  (options) =>
    Effect.gen(function* () {
      const payload = yield* jsonArgument("payload", options.payload)
      yield* withServer(options.url, (http) =>
        Effect.gen(function* () {
          const inputId = yield* inputIdFrom(Option.getOrElse(options.inputId, () => crypto.randomUUID()))
          const path = {
            runId: yield* runIdFrom(options.runId),
            nodeId: options.nodeId,
            signal: yield* signalFrom(options.signal)
          }
          const { accepted } = yield* locally(http.runs.signal({ path, payload: { inputId, payload }, urlParams: {} }))
          yield* sent(options.json, accepted, inputId)
        })
      )
    })
).pipe(Command.withDescription("Sends a signal to the steps of a node that lists it"))

/** Asks what a node has published. */
export const query = Command.make(
  "query",
  {
    ...remote,
    runId: Args.text({ name: "runId" }),
    nodeId: Args.text({ name: "nodeId" }),
    query: Args.text({ name: "query" })
  },
  (options) =>
    withServer(options.url, (http) =>
      Effect.gen(function* () {
        const path = {
          runId: yield* runIdFrom(options.runId),
          nodeId: options.nodeId,
          query: yield* queryFrom(options.query)
        }
        const found = yield* locally(http.runs.query({ path, urlParams: {} }))
        if (options.json) return yield* json(found)
        if (found.answered) return yield* line(JSON.stringify(found.answer))
        return yield* new CommandFailed({
          exitCode: notFoundExit,
          message: `${options.nodeId} has published no answer to ${options.query}`
        })
      })
    )
).pipe(Command.withDescription("Prints the last answer that a node has published to a query"))

/** Who executes runs. */
export const workers = Command.make("workers", remote, (options) =>
  withServer(options.url, (http) =>
    Effect.gen(function* () {
      const page = yield* locally(http.operations.workers({ urlParams: {} }))
      if (options.json) return yield* json(page)
      const rows = page.workers.map(({ alive, heartbeatAt, room, runs, serves, workerId }) => [
        workerId,
        alive ? "alive" : "dead",
        runs,
        room,
        heartbeatAt,
        serves.join(" ")
      ])
      yield* table(["WORKER", "STATE", "RUNS", "ROOM", "HEARTBEAT", "SERVES"], rows)
    })
  )
).pipe(Command.withDescription("The processes that execute runs"))

/** What needs a look. */
export const stuck = Command.make(
  "stuck",
  { ...remote, limit: Options.integer("limit").pipe(Options.withDefault(50)) },
  (options) =>
    withServer(options.url, (http) =>
      Effect.gen(function* () {
        const page = yield* locally(http.operations.stuck({ urlParams: { limit: options.limit } }))
        if (options.json) return yield* json(page)
        if (page.runs.length === 0) return yield* line("nothing is stuck")
        const rows = page.runs.map(({ explanation: { _tag, ...why }, runId, status, workflow, version }) => [
          runId,
          `${workflow}@${version}`,
          status,
          `${_tag} ${JSON.stringify(why)}`
        ])
        yield* table(["RUN", "WORKFLOW", "STATUS", "WHY"], rows)
      })
    )
).pipe(Command.withDescription("Runs that are parked or that nobody moves, with the reason"))

/** Looks at everything. */
export const doctor = Command.make("doctor", remote, (options) =>
  withServer(options.url, (http) =>
    Effect.gen(function* () {
      const { findings, ok } = yield* locally(http.operations.doctor({ urlParams: {} }))
      if (options.json) yield* json({ ok, findings })
      else {
        const rows = findings.map(({ check, detail, ok, remedy }) => [check, ok ? "ok" : "LOOK", detail, remedy ?? ""])
        yield* table(["CHECK", "", "FOUND", "REMEDY"], rows)
      }
      if (!ok) return yield* new CommandFailed({ exitCode: 1, message: "not everything is as it should be" })
    })
  )
).pipe(Command.withDescription("What this installation depends on, and what to do where it is not as it should be"))

/** Makes a token. */
export const token = Command.make(
  "token",
  {
    json: remote.json,
    name: Args.text({ name: "name" }).pipe(Args.withDescription("Who it is for")),
    scope: Options.choice("scope", scopes).pipe(Options.withDefault("read" as const))
  },
  (options) =>
    Effect.suspend(() => {
      const secret = randomBytes(32).toString("base64url")
      const entry = showToken(tokenOf(options.name, options.scope, Redacted.make(secret)))
      return options.json
        ? json({ token: secret, entry })
        : line(`token, for its bearer only:      ${secret}\nentry, for PERDURE_TOKENS:       ${entry}`)
    })
).pipe(Command.withDescription("Makes a token and its entry for PERDURE_TOKENS; it is stored nowhere"))
