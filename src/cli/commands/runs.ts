import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Http } from "../../client/Connect.js"
import { locally } from "../../client/Trouble.js"
import { hidden } from "../../definition/Secrets.js"
import { runIdFrom } from "../../engine/Requests.js"
import { ListRuns } from "../../http/Query.js"
import { StartRun } from "../../http/Shapes.js"
import { RunStatus } from "../../model/Status.js"
import { json, line, table } from "../Printing.js"
import { CommandFailed, orFail, remote, usageExit, withServer } from "../Remote.js"
import { jsonArgument } from "../Values.js"
import { watch } from "./watch.js"

const runId = Args.text({ name: "runId" }).pipe(Args.withDescription("The name of the run"))

const given = <K extends string, A>(key: K, value: Option.Option<A>): { readonly [P in K]?: A } =>
  Option.isNone(value) ? {} : ({ [key]: value.value } as { readonly [P in K]: A })

const attributes = Options.keyValueMap("attribute").pipe(
  Options.withDescription("name=value; may be given several times"),
  Options.optional
)

const attributesOf = (map: Option.Option<HashMap.HashMap<string, string>>) =>
  Option.map(map, (entries) => Object.fromEntries(HashMap.toEntries(entries)))

/** Options as the query they become, read as the server will read it. */
const queryOf = (text: { readonly [field: string]: string }) =>
  Schema.decodeUnknown(ListRuns)(text).pipe(
    Effect.mapError(
      (error) => new CommandFailed({ exitCode: usageExit, message: error.message.split("\n").at(-1) ?? "" })
    )
  )

const list = Command.make(
  "list",
  {
    ...remote,
    attributes,
    workflow: Options.text("workflow").pipe(Options.optional),
    status: Options.choice("status", RunStatus.literals).pipe(Options.optional),
    since: Options.text("since").pipe(Options.withDescription("Started at this time or later"), Options.optional),
    until: Options.text("until").pipe(Options.withDescription("Started before this time"), Options.optional),
    limit: Options.integer("limit").pipe(Options.withDefault(20)),
    cursor: Options.text("cursor").pipe(Options.withDescription("The end of the page before"), Options.optional)
  },
  (options) =>
    withServer(options.url, (http) =>
      Effect.gen(function* () {
        const marks = Option.map(attributesOf(options.attributes), (all) => JSON.stringify(all))
        const urlParams = yield* queryOf({
          ...given("workflow", options.workflow),
          ...given("status", options.status),
          ...given("since", options.since),
          ...given("until", options.until),
          ...given("cursor", options.cursor),
          ...given("attributes", marks),
          limit: String(options.limit)
        })
        const page = yield* locally(http.runs.list({ urlParams }))
        if (options.json) return yield* json(page)
        const rows = page.runs.map((run) => [
          run.runId,
          `${run.workflow}@${run.version}`,
          run.status,
          run.createdAt,
          run.reason
        ])
        yield* table(["RUN", "WORKFLOW", "STATUS", "STARTED", "REASON"], rows)
        if (page.nextCursor !== undefined) yield* line(`more: --cursor ${page.nextCursor}`)
      })
    )
).pipe(Command.withDescription("Runs, newest first"))

const show = Command.make("show", { ...remote, runId }, (options) =>
  withServer(options.url, (http) =>
    Effect.gen(function* () {
      const path = { runId: yield* runIdFrom(options.runId) }
      const run = yield* locally(http.runs.run({ path, urlParams: {} }))
      if (options.json) return yield* json(run)
      yield* table(
        ["", ""],
        [
          ["run", run.runId],
          ["workflow", `${run.workflow}@${run.version}`],
          ["status", run.status],
          ["reason", run.reason],
          ["attributes", run.attributes],
          ["started", run.createdAt],
          ["ended", run.endedAt],
          ["input", run.input],
          ["output", run.output],
          ["error", run.error?.message]
        ].filter(([, value]) => value !== undefined)
      )
      const rows = run.nodes.map((node) => [
        node.nodeId,
        node.status,
        node.firing,
        node.attempt,
        node.error?.message ?? node.reason
      ])
      yield* table(["NODE", "STATUS", "FIRING", "ATTEMPT", "REASON"], rows)
      const { explanation } = yield* locally(http.runs.explain({ path, urlParams: {} }))
      const { _tag, ...why } = explanation
      yield* line(`${_tag} ${JSON.stringify(why)}`)
    })
  )
).pipe(Command.withDescription("A run with its values, its nodes, and why it is not moving"))

/** When a run begins, and by when it has to have ended. */
const Moments = Schema.Struct({ startAt: StartRun.fields.startAt, deadline: StartRun.fields.deadline })
type Moments = typeof Moments.Type

interface Start {
  readonly workflow: string
  readonly priority?: number
  readonly moments?: Moments
  readonly version: Option.Option<number>
  readonly runId: Option.Option<string>
  readonly input: unknown
  readonly attributes: { readonly [name: string]: string }
}

const startRun = (http: Http, start: Start) =>
  Effect.gen(function* () {
    const id = yield* runIdFrom(Option.getOrElse(start.runId, () => crypto.randomUUID()))
    const { attributes, input, moments, priority, workflow } = start
    const payload = {
      ...{ workflow, input, runId: id, ...moments, ...given("version", start.version) },
      ...(priority === undefined ? {} : { priority })
    }
    const marked = Object.keys(attributes).length === 0 ? payload : { ...payload, attributes }
    return yield* locally(http.starts.start({ payload: marked, urlParams: {} }))
  })

/** Times as the server will read them. */
const momentsOf = (moments: Moments) =>
  Effect.as(
    Schema.decodeUnknown(Moments)(moments).pipe(
      Effect.mapError(
        (error) => new CommandFailed({ exitCode: usageExit, message: error.message.split("\n").at(-1)?.trim() ?? "" })
      )
    ),
    moments
  )

const start = Command.make(
  "start",
  {
    ...remote,
    attributes,
    workflow: Args.text({ name: "workflow" }),
    input: Options.text("input").pipe(Options.withDescription("JSON, @file, or - for standard input")),
    // `--version` is an option of every command, and says which one the command line itself has.
    version: Options.integer("workflow-version").pipe(
      Options.withDescription("Of the workflow; the highest unless given"),
      Options.optional
    ),
    runId: Options.text("run-id").pipe(Options.withDescription("Makes the start idempotent"), Options.optional),
    priority: Options.integer("priority").pipe(
      Options.withDescription("-100 to 100, higher is first"),
      Options.withDefault(0)
    ),
    startAt: Options.text("start-at").pipe(
      Options.withDescription("Nothing starts before, as 2026-11-23T08:30:00Z"),
      Options.optional
    ),
    deadline: Options.text("deadline").pipe(
      Options.withDescription("Failed if not ended by then, as 2026-11-23T08:30:00Z"),
      Options.optional
    ),
    watch: Options.boolean("watch").pipe(Options.withDescription("Then follow the run to its end"))
  },
  (options) =>
    Effect.gen(function* () {
      const input = yield* jsonArgument("input", options.input)
      yield* withServer(options.url, (http, server, client) =>
        Effect.gen(function* () {
          const marks = Option.getOrElse(attributesOf(options.attributes), () => ({}))
          const moments = yield* momentsOf({
            ...given("startAt", options.startAt),
            ...given("deadline", options.deadline)
          })
          const run = yield* startRun(http, { ...options, moments, input, attributes: marks })
          if (options.json) yield* json(run)
          else yield* line(`${run.runId} ${run.status}`)
          if (options.watch) yield* watch(client, server, run.runId, options.json)
        })
      )
    })
).pipe(Command.withDescription("Starts a run"))

const rerun = Command.make(
  "rerun",
  {
    ...remote,
    runId,
    newId: Options.text("run-id").pipe(Options.withDescription("The name of the new run"), Options.optional)
  },
  (options) =>
    withServer(options.url, (http) =>
      Effect.gen(function* () {
        const path = { runId: yield* runIdFrom(options.runId) }
        const run = yield* locally(http.runs.run({ path, urlParams: {} }))
        const { input, version, workflow } = run
        if (JSON.stringify(input).includes(JSON.stringify(hidden))) {
          return yield* new CommandFailed({
            exitCode: 1,
            message: "its input holds secrets, which are not shown: start it with perdure runs start --input"
          })
        }
        const again = { workflow, version: Option.some(version), runId: options.newId, input }
        const started = yield* startRun(http, { ...again, attributes: run.attributes ?? {} })
        yield* options.json ? json(started) : line(`${started.runId} ${started.status}`)
      })
    )
).pipe(Command.withDescription("Starts a new run with the input of another one"))

type Verb = "cancel" | "pause" | "resume" | "retry" | "unpark"

const command = (verb: Verb, description: string) =>
  Command.make(verb, { ...remote, runId }, (options) =>
    withServer(options.url, (http) =>
      Effect.gen(function* () {
        const path = { runId: yield* runIdFrom(options.runId) }
        const { status } = yield* locally(http.runs[verb]({ path, payload: {}, urlParams: {} }))
        yield* options.json ? json({ status }) : line(`${options.runId} ${status}`)
      })
    )
  ).pipe(Command.withDescription(description))

const watchCommand = Command.make("watch", { ...remote, runId }, (options) =>
  withServer(options.url, (_, server, client) => orFail(watch(client, server, options.runId, options.json)))
).pipe(Command.withDescription("Follows a run to its end; the exit code says whether it completed"))

/** Everything about runs. */
export const runs = Command.make("runs").pipe(
  Command.withDescription("Runs: list, look at, start, steer and follow them"),
  Command.withSubcommands([
    list,
    show,
    start,
    command("cancel", "Ends a run"),
    command("pause", "Lets what runs end and starts nothing more"),
    command("resume", "Lets a paused run go on"),
    command("retry", "Lets a failed run go on from what failed, or a parked one from where it stands"),
    command("unpark", "Lets a parked run go on from where it stands; what failed wants a retry"),
    rerun,
    watchCommand
  ])
)
