import { DatabaseError } from "../model/Errors.js"
import type { QueryError } from "./Connection.js"

/** SQLSTATEs after which the same work may go through later. */
const retryable = new Set([
  "40001", // serialization_failure
  "40P01", // deadlock_detected
  "55P03", // lock_not_available
  "57014", // query_canceled: statement_timeout, or somebody's pg_cancel_backend
  "57P01", // admin_shutdown
  "57P02", // crash_shutdown
  "57P03", // cannot_connect_now
  "57P05", // idle_session_timeout
  "25P02", // in_failed_sql_transaction: an earlier statement of it failed
  "25P03", // idle_in_transaction_session_timeout
  "25P04", // transaction_timeout
  "26000", // a prepared statement is gone: a pooling proxy in between
  "42P05" // a prepared statement is there already: likewise
])

/** Classes of SQLSTATEs that speak of the connection or the machine, not of the statement. */
const retryableClasses = new Set([
  "08", // connection_exception
  "53", // insufficient_resources: disk full, out of memory, too many connections
  "58" // system_error: input or output outside of PostgreSQL
])

/** A plan of a prepared statement that a migration made invalid. */
const isStalePlan = (error: QueryError): boolean =>
  error.sqlState === "0A000" && error.reason.includes("cached plan must not change result type")

/** Whether names of prepared statements don't last here: the session behind the connection changes. */
export const losesPreparedStatements = (error: QueryError): boolean =>
  error.sqlState === "26000" || error.sqlState === "42P05"

/** Whether the connection must not be used again: it broke, or its prepared statements are not to be trusted. */
export const isInDoubt = (error: QueryError): boolean =>
  error.broken || error.sqlState === undefined || losesPreparedStatements(error) || isStalePlan(error)

/** Whether an error before COMMIT means that the same work may go through later. Nothing has happened in any case. */
const isRetryable = (error: QueryError): boolean =>
  error.sqlState === undefined
    ? error.broken
    : retryable.has(error.sqlState) || retryableClasses.has(error.sqlState.slice(0, 2)) || isStalePlan(error)

/** Whether an error in answer to COMMIT leaves open what happened: only the server's own refusal is an answer. */
const isUnknown = (error: QueryError): boolean =>
  error.broken || error.sqlState === undefined || error.sqlState.startsWith("08") || error.sqlState === "40003"

/** What an error before COMMIT means: nothing has happened. */
export const beforeCommit = (operation: string, error: QueryError): DatabaseError =>
  databaseError(isRetryable(error) ? "retryable" : "fatal", operation, error)

/** What an error in answer to COMMIT means. */
export const atCommit = (operation: string, error: QueryError): DatabaseError =>
  isUnknown(error) ? databaseError("unknown", operation, error) : beforeCommit(operation, error)

const databaseError = (outcome: DatabaseError["outcome"], operation: string, error: QueryError): DatabaseError =>
  new DatabaseError({
    outcome,
    operation,
    reason: error.reason,
    ...(error.sqlState === undefined ? {} : { sqlState: error.sqlState })
  })
