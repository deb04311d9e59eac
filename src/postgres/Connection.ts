import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type pg from "pg"
import type { RawRow } from "../store/Transactor.js"
import { WriteAtOnce } from "./WriteAtOnce.js"

/**
 * What is sent over a connection.
 *
 * **Details** With `values` it is one statement, prepared under `name` where that works. Without, it goes as it is and
 * may hold several statements. `deadlineMs` bounds the wait for an answer on this side, should the network swallow it.
 */
export interface Query {
  readonly name: string
  readonly text: string
  readonly values?: ReadonlyArray<unknown>
  readonly deadlineMs?: number
  /** What the transaction is for, for whoever stands in between. */
  readonly operation?: string
}

/** What came back; `command` is the command tag, as in `COMMIT`. */
export interface QueryResult {
  readonly command: string
  readonly rows: ReadonlyArray<RawRow>
}

/**
 * A statement, or the way to the server, failed.
 *
 * **Details** `broken`: the connection is gone or no longer answers. `sqlState` is there when the server spoke.
 */
export class QueryError extends Data.TaggedError("QueryError")<{
  readonly sqlState: string | undefined
  readonly reason: string
  readonly broken: boolean
}> {
  override get message(): string {
    return this.reason
  }
}

/** One session, exclusively ours until the scope that acquired it closes. */
export interface Connection {
  readonly execute: (query: Query) => Effect.Effect<QueryResult, QueryError>
  /** Several statements as one transaction in one round trip, where that works; outside of a transaction. */
  readonly writeAtOnce?: (queries: ReadonlyArray<Query>) => Effect.Effect<void, QueryError>
  /** It is closed instead of going back to the pool. */
  readonly destroy: Effect.Effect<void>
}

/**
 * Reads what the driver says.
 *
 * **Details** A server's error has a severity and five characters of code. A `TypeError` or `RangeError` is the driver's
 * refusal to send something. Anything else concerns the way to the server.
 */
export const toQueryError = (cause: unknown): QueryError => {
  if (!(cause instanceof Error)) return new QueryError({ sqlState: undefined, reason: "no connection", broken: true })
  const severity = "severity" in cause ? cause.severity : undefined
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : undefined
  const spoken = severity !== undefined && code !== undefined && /^[0-9A-Z]{5}$/.test(code)
  return new QueryError({
    sqlState: spoken ? code : undefined,
    reason: cause.message === "" ? (code ?? cause.name) : cause.message,
    broken: spoken ? severity !== "ERROR" : !(cause instanceof TypeError || cause instanceof RangeError)
  })
}

/** Asks a session for the number of the server's process, as `pid`. */
export const backendPid = "select pg_backend_pid()::int4 as pid"

/** Whether a pooling proxy stands between a client and the server: it hands out process numbers of its own. */
export const isProxied = (client: pg.ClientBase, pid: number): boolean =>
  "processID" in client && client.processID !== pid

/**
 * Sends a query over a client of the driver; without an answer within the deadline (ms) the connection counts as broken. Several
 * statements give several results, of which the last one counts.
 *
 * **Details** The driver's own `query_timeout` keeps the rows from the next young collections: see `PgTransactor`.
 */
export const send = (
  client: pg.ClientBase,
  query: pg.QueryConfig,
  deadlineMs?: number
): Effect.Effect<QueryResult, QueryError> => Effect.suspend(() => ask(client, { query }, deadlineMs))

const ask = (
  client: pg.ClientBase,
  held: { query: pg.QueryConfig | undefined },
  deadlineMs: number | undefined
): Effect.Effect<QueryResult, QueryError> =>
  Effect.async((resume) => {
    const { query } = held
    if (query === undefined) throw new Error("a query is sent once")
    held.query = undefined
    const answered = (answer: Effect.Effect<QueryResult, QueryError>): void => {
      clearTimeout(deadline)
      resume(answer)
    }
    const late = (): void => answered(Effect.fail(toQueryError(new Error(noAnswer))))
    const deadline = deadlineMs === undefined ? undefined : setTimeout(late, deadlineMs)
    client.query(query, (cause: Error | null, result: pg.QueryResult | ReadonlyArray<pg.QueryResult>) => {
      if (cause) return answered(Effect.fail(toQueryError(cause)))
      const last = Array.isArray(result) ? result[result.length - 1] : result
      answered(Effect.succeed({ command: last?.command ?? "", rows: last?.rows ?? [] }))
    })
  })

const noAnswer = "no answer in time"

/** Sends a batch over a client of the driver; without an answer within the deadline (ms) the connection counts as broken. */
export const sendAtOnce = (
  client: pg.ClientBase,
  queries: ReadonlyArray<Query>,
  options: { readonly named: boolean; readonly deadlineMs: number },
  done: (error: QueryError | undefined) => void
): void => {
  const batch = new WriteAtOnce(queries, options.named, (cause) => {
    clearTimeout(deadline)
    if (cause === undefined) return done(undefined)
    const error = toQueryError(cause)
    done(new QueryError({ ...error, reason: `${batch.at}: ${error.reason}` }))
  })
  const deadline = setTimeout(() => batch.handleError(new Error(noAnswer)), options.deadlineMs)
  client.query(batch)
}
