import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import type { Connection } from "@effect/sql/SqlConnection"
import { SqlError } from "@effect/sql/SqlError"
import { makeCompilerSqlite } from "@effect/sql/Statement"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import type { QueryError, Connection as Session } from "./Connection.js"
import type { PgPool } from "./Pool.js"

/** What a caller's transaction is called in the names of points. */
const operation = "caller"

/** As the driver would say it. */
const toSqlError = ({ reason, sqlState }: QueryError): SqlError =>
  new SqlError({
    cause: Object.assign(new Error(reason), sqlState === undefined ? {} : { code: sqlState, severity: "ERROR" })
  })

/** A statement's first words and a number that stands for the rest. */
const nameOf = (text: string): string => {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  return `${text.trim().split(/\s+/).slice(0, 3).join(" ").toLowerCase()} ${(value >>> 0).toString(36)}`
}

const steps = new Set(["begin", "commit", "rollback"])

const connectionOf = (session: Session): Connection => {
  const ask = (text: string, values: ReadonlyArray<unknown>) => {
    const step = text.toLowerCase()
    const query = steps.has(step) ? { name: step, text } : { name: nameOf(text), text, values }
    return Effect.mapBoth(session.execute({ ...query, operation }), {
      onFailure: toSqlError,
      onSuccess: ({ rows }) => rows
    })
  }
  return {
    execute: ask,
    executeRaw: ask,
    executeUnprepared: ask,
    executeValues: (text, values) => Effect.map(ask(text, values), (rows) => rows.map((row) => Object.values(row))),
    executeStream: () => Stream.dieMessage("this client does not stream")
  }
}

/**
 * An application's own client over a pool of the engine, for tests of what a caller's transaction goes through.
 *
 * **Details** Its statements pass where those of the engine pass, so they can be hit like these. Only what `inTransaction` needs
 * is there: no streams, and a compiler for text that holds its own placeholders.
 */
export const callersClient = (pool: Context.Tag.Service<PgPool>): Effect.Effect<SqlClient.SqlClient> => {
  const acquirer = Effect.mapBoth(pool.acquire, { onFailure: toSqlError, onSuccess: connectionOf })
  return SqlClient.make({ acquirer, compiler: makeCompilerSqlite(), spanAttributes: [] }).pipe(
    Effect.provide(Reactivity.layer)
  )
}

/** What of a context is the application's own client. */
export type CallersClient = SqlClient.SqlClient

/** The same as a layer, for handlers. */
export const callersLayer = (pool: Context.Tag.Service<PgPool>): Layer.Layer<CallersClient> =>
  Layer.effect(SqlClient.SqlClient, callersClient(pool))
