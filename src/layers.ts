import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type { Registry } from "./definition/Registry.js"
import type { Engine } from "./Engine.js"
import * as EngineLayer from "./engine/layer.js"
import * as OperatorLayer from "./engine/operator.js"
import type { DatabaseError } from "./model/Errors.js"
import type { Operator } from "./Operator.js"
import * as EmbeddedDatabase from "./postgres/embedded/EmbeddedDatabase.js"
import type { DataDirLocked, DataDirUnusable } from "./postgres/embedded/FolderLock.js"
import * as PgStores from "./postgres/layer.js"
import { type DatabaseNewer, type MigrationChanged, migrate } from "./postgres/Migrations.js"
import * as PgLifeline from "./postgres/PgLifeline.js"
import * as PgOverview from "./postgres/PgOverview.js"
import * as PgTransactor from "./postgres/PgTransactor.js"
import * as PgWakeups from "./postgres/PgWakeups.js"
import * as Pool from "./postgres/Pool.js"
import { defaultSchema, type SchemaName } from "./postgres/Statement.js"
import type { Condition } from "./runtime/Condition.js"
import { Settings, type SettingsShape } from "./runtime/Settings.js"
import type { Overview } from "./store/Overview.js"

/** Where runs are kept. */
export interface PostgresOptions {
  readonly url: Redacted.Redacted
  /**
   * Beside a pooling proxy: a connection that does not go through it, for what is bound to a session. Without one, behind a
   * proxy, hints from other processes come only with the next look, and a death is seen when its lease runs out.
   */
  readonly directUrl?: Redacted.Redacted
  readonly maxConnections?: number
  /** Connections beside them for what people look at; 2 by default. */
  readonly maxReadConnections?: number
  readonly schema?: SchemaName
  /** Whether to bring the schema to the present version first; true by default. */
  readonly migrate?: boolean
}

/** Why the stores could not be opened. */
export type OpenError = DatabaseError | MigrationChanged | DatabaseNewer

/** The stores of an engine, and those of an operator. */
export type OperatedStores = EngineLayer.Stores | Overview

const migrated = (schema: SchemaName) => Layer.effectDiscard(migrate(schema))

/**
 * The stores on PostgreSQL, migrated.
 *
 * @example
 * const Stores = Perdure.layerPostgres({ url: Redacted.make(process.env.DATABASE_URL!) })
 */
export const layerPostgres = (options: PostgresOptions): Layer.Layer<OperatedStores, OpenError> => {
  const schema = options.schema ?? defaultSchema
  const questions = Layer.provide(
    OperatorLayer.layerReads,
    Layer.provide(
      Layer.fresh(PgTransactor.layer),
      Pool.layer({
        url: options.url,
        maxConnections: options.maxReadConnections ?? 2,
        applicationName: "perdure reads",
        ...(options.directUrl === undefined ? {} : { pooled: true })
      })
    )
  )
  const stores = PgStores.layer(schema).pipe(
    Layer.provide(questions),
    Layer.provide(
      Pool.layer({
        url: options.url,
        ...(options.directUrl === undefined ? {} : { pooled: true }),
        ...(options.maxConnections === undefined ? {} : { maxConnections: options.maxConnections })
      })
    )
  )
  const direct = options.directUrl ?? options.url
  const sessions = Layer.merge(PgLifeline.layer({ url: direct }), PgWakeups.layer({ url: direct, schema }))
  const operations = Layer.mergeAll(PgOverview.layer(schema), questions)
  const opened = options.migrate === false ? stores : migrated(schema).pipe(Layer.provideMerge(stores))
  return Layer.mergeAll(opened, sessions, operations)
}

/** Where the embedded database keeps its files. */
export interface EmbeddedOptions {
  /** A folder that one process at a time can use; without one everything is in memory and gone with the process. */
  readonly dataDir?: string
  readonly schema?: SchemaName
  /** What to do when the engine inside this process has failed and only a new start helps; what was committed is safe. */
  readonly onStopped?: Effect.Effect<void>
}

/**
 * The stores on the embedded database, migrated.
 *
 * **Details** One process, one connection. It survives SIGKILL, not a loss of power: nothing is flushed to disk.
 *
 * **Errors** `DataDirLocked` when another live process has the folder, `DataDirUnusable` when nobody can use it.
 */
export const layerEmbedded = (
  options: EmbeddedOptions = {}
): Layer.Layer<OperatedStores, OpenError | DataDirLocked | DataDirUnusable> => {
  const schema = options.schema ?? defaultSchema
  const pool = Layer.unwrapScoped(
    Effect.gen(function* () {
      const database = yield* EmbeddedDatabase.open({ dataDir: options.dataDir })
      const stopped = Effect.tap(database.failure, (reason) =>
        Effect.logFatal("The embedded database has stopped", reason)
      )
      yield* Effect.forkScoped(Effect.zipRight(stopped, options.onStopped ?? Effect.void))
      return Pool.layerFromPool(database.pool)
    })
  )
  const stores = PgStores.layer(schema, { exclusive: true }).pipe(Layer.provide(pool))
  return Layer.mergeAll(
    migrated(schema).pipe(Layer.provideMerge(stores)),
    PgWakeups.layerLocal,
    PgOverview.layer(schema)
  )
}

/** A worker and its facade over stores, with some settings of its own. */
export const layerEngine = (
  settings: Partial<SettingsShape> = {}
): Layer.Layer<Engine | Registry | Condition, DatabaseError, EngineLayer.Stores> =>
  EngineLayer.layer.pipe(
    Layer.provide(
      Layer.effect(
        Settings,
        Effect.map(Settings, (defaults) => ({ ...defaults, ...settings }))
      )
    )
  )

/** What operators ask and do, beside an engine. */
export const layerOperator: Layer.Layer<Operator, never, Engine | Condition | OperatedStores> = OperatorLayer.layer
