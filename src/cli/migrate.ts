import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { migrate } from "../postgres/Migrations.js"
import * as PgTransactor from "../postgres/PgTransactor.js"
import * as Pool from "../postgres/Pool.js"
import { defaultSchema, SchemaName } from "../postgres/Statement.js"

const settings = Config.all({
  url: Config.redacted("DATABASE_DIRECT_URL").pipe(Config.orElse(() => Config.redacted("DATABASE_URL"))),
  schema: Schema.Config("PERDURE_SCHEMA", SchemaName).pipe(Config.withDefault(defaultSchema))
})

/** Brings the schema of the database at `DATABASE_URL` to the present version. */
const program = Effect.gen(function* () {
  const { url, schema } = yield* settings
  const pool = Pool.layer({ url, maxConnections: 1 })
  const done = yield* Effect.provide(migrate(schema), Layer.provide(PgTransactor.layer, pool))
  yield* Console.log(done.length === 0 ? "up to date" : done.map((name) => `applied ${name}`).join("\n"))
}).pipe(Effect.tapError((error) => Console.error(error.message)))

NodeRuntime.runMain(program, { disableErrorReporting: true })
