import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { defaultSchema, SchemaName } from "../postgres/Statement.js"
import { migration } from "./Migration.js"

const settings = Config.all({
  url: Config.redacted("DATABASE_DIRECT_URL").pipe(Config.orElse(() => Config.redacted("DATABASE_URL"))),
  schema: Schema.Config("PERDURE_SCHEMA", SchemaName).pipe(Config.withDefault(defaultSchema))
})

/** Brings the schema of the database at `DATABASE_URL` to the present version. */
const program = Effect.gen(function* () {
  const done = yield* migration(yield* settings)
  yield* Console.log(done.length === 0 ? "up to date" : done.map((name) => `applied ${name}`).join("\n"))
}).pipe(Effect.tapError((error) => Console.error(error.message)))

NodeRuntime.runMain(program, { disableErrorReporting: true })
