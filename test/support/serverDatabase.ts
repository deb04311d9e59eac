import { createHash, randomBytes } from "node:crypto"
import { setTimeout as delay } from "node:timers/promises"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import pg from "pg"
import { load, migrate } from "../../src/postgres/Migrations.js"
import * as PgTransactor from "../../src/postgres/PgTransactor.js"
import * as Pool from "../../src/postgres/Pool.js"

/** What fresh databases start as. It is made once per server and then copied. */
export interface Template {
  /** Names what is in it: two templates with the same key hold the same. */
  readonly key: Effect.Effect<string>
  /** Fills an empty database. */
  readonly prepare: (url: Redacted.Redacted) => Effect.Effect<void>
}

/** A database of one's own on a server that others use, too. */
export interface FreshDatabase {
  readonly name: string
  readonly url: string
  /** Up to ten connections. */
  readonly pool: pg.Pool
}

/** The present schema, as migrations make it. */
const migrated: Template = {
  key: Effect.map(load, (migrations) => `migrated ${migrations.map(({ checksum }) => checksum).join(" ")}`),
  prepare: (url) =>
    migrate().pipe(
      Effect.provide(PgTransactor.layer),
      Effect.provide(Pool.layer({ url, maxConnections: 1 })),
      Effect.orDie,
      Effect.asVoid
    )
}

/** A database with nothing in it. */
export const empty: Template = { key: Effect.succeed("empty"), prepare: () => Effect.void }

const inDatabase = (serverUrl: string, name: string): string => {
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return url.href
}

/** A session in the database that everybody can reach and nobody copies. */
const withAdmin = <A>(serverUrl: string, use: (client: pg.Client) => Effect.Effect<A>): Effect.Effect<A> =>
  Effect.acquireUseRelease(
    Effect.promise(async () => {
      const client = new pg.Client({ connectionString: serverUrl })
      await client.connect()
      return client
    }),
    use,
    (client) => Effect.promise(() => client.end())
  )

const query = (client: pg.Client, text: string, values: Array<unknown> = []) =>
  Effect.promise(() => client.query(text, values))

/** Any number; whoever makes a template holds it, also while others look for the template. */
const templateLock = 5_340_127

/**
 * The name of the template's database, made first if it is not there.
 *
 * **Details** Test files run in several processes at once, so an advisory lock lets one of them make it. It is marked as a
 * template when it is complete; one without the mark was left half made.
 */
const templateDatabase = (client: pg.Client, serverUrl: string, template: Template): Effect.Effect<string> =>
  Effect.gen(function* () {
    const key = yield* template.key
    const name = `template_${createHash("sha256").update(key).digest("hex").slice(0, 16)}`
    yield* query(client, "select pg_advisory_lock($1)", [templateLock])
    const found = yield* query(client, "select from pg_database where datname = $1 and datistemplate", [name])
    if (found.rowCount === 0) {
      yield* query(client, `drop database if exists ${name} with (force)`)
      yield* query(client, `create database ${name} template template0`)
      yield* template.prepare(Redacted.make(inDatabase(serverUrl, name)))
      yield* query(client, `alter database ${name} is_template true allow_connections false`)
    }
    yield* query(client, "select pg_advisory_unlock($1)", [templateLock])
    return name
  })

/** For clients that a test still holds. In real time: the clock of a test stands still. */
const patience = (): Promise<void> => delay(1_000, undefined, { ref: false })

const open = (serverUrl: string, name: string): FreshDatabase => {
  const url = inDatabase(serverUrl, name)
  const pool = new pg.Pool({ connectionString: url, max: 10 })
  // whether a session that a test ended was idle is chance; one that was not gets the error with its statement
  pool.on("error", () => undefined)
  return { name, url, pool }
}

/** A database that is a copy of the template, dropped when the scope closes, whoever is still connected to it. */
export const databaseOn = (
  serverUrl: string,
  template: Template = migrated
): Effect.Effect<FreshDatabase, never, Scope.Scope> =>
  Effect.gen(function* () {
    const name = `fresh_${process.pid}_${randomBytes(6).toString("hex")}`
    const create = (client: pg.Client) =>
      Effect.flatMap(templateDatabase(client, serverUrl, template), (source) =>
        // copying files takes a tenth of the time of copying through the log
        query(client, `create database ${name} template ${source} strategy file_copy`)
      )
    yield* Effect.acquireRelease(withAdmin(serverUrl, create), () =>
      withAdmin(serverUrl, (client) => query(client, `drop database if exists ${name} with (force)`))
    )
    return yield* Effect.acquireRelease(
      Effect.sync(() => open(serverUrl, name)),
      ({ pool }) => Effect.promise(() => Promise.race([pool.end(), patience()]))
    )
  })
