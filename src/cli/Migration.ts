import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import { migrate } from "../postgres/Migrations.js"
import * as PgTransactor from "../postgres/PgTransactor.js"
import * as Pool from "../postgres/Pool.js"
import type { SchemaName } from "../postgres/Statement.js"

/** Brings a schema to the present version; gives the names of the migrations it applied. */
export const migration = (target: { readonly url: Redacted.Redacted; readonly schema: SchemaName }) =>
  Effect.provide(
    migrate(target.schema),
    Layer.provide(PgTransactor.layer, Pool.layer({ url: target.url, maxConnections: 1 }))
  )
