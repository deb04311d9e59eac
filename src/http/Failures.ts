import { randomUUID } from "node:crypto"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Model from "../model/Errors.js"
import type * as Errors from "./Errors.js"

/** What the engine may answer a call of the API with. */
type EngineError =
  | Model.RunNotFound
  | Model.RunConflict
  | Model.RunEnded
  | Model.CommandRefused
  | Model.WorkflowNotFound
  | Model.NodeNotFound
  | Model.SignalNotFound
  | Model.InvalidInput
  | Model.DatabaseError
  | Model.UndecodableRow

/** The wire form of an engine's error: trouble of ours shows an id only. */
export type Wire<E> = E extends Model.DatabaseError
  ? Errors.DatabaseUnavailable
  : E extends Model.UndecodableRow
    ? Errors.InternalError
    : E extends { readonly _tag: infer Tag extends keyof typeof Errors.all }
      ? (typeof Errors.all)[Tag]["Type"]
      : never

/** Logs what happened under a fresh id, which is all that a client is told. */
const logged = (what: string, detail: unknown): Effect.Effect<string> =>
  Effect.suspend(() => {
    const id = randomUUID()
    return Effect.as(Effect.logError(what, detail).pipe(Effect.annotateLogs({ id })), id)
  })

const databaseUnavailable = (error: Model.DatabaseError): Effect.Effect<Errors.DatabaseUnavailable> =>
  Effect.map(logged("The database failed a request", error.message), (id) => ({
    _tag: "DatabaseUnavailable",
    message: "the database did not do what it was asked; doing the same again is safe",
    id
  }))

/** A bug or damage on this side. */
export const internalError = (detail: Cause.Cause<unknown> | string): Effect.Effect<Errors.InternalError> =>
  Effect.map(logged("A request failed", detail), (id) => ({
    _tag: "InternalError",
    message: "something is wrong with this server",
    id
  }))

const toWire = (error: EngineError): Effect.Effect<Errors.ApiError> => {
  switch (error._tag) {
    case "DatabaseError":
      return databaseUnavailable(error)
    case "UndecodableRow":
      return internalError(error.message)
    default:
      // The message of a tagged error is a getter, which a spread leaves out.
      return Effect.succeed({ ...error, message: error.message })
  }
}

/** Turns the errors of the engine into those of the API. */
export const onTheWire = <A, E extends EngineError, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, Wire<E>, R> =>
  // `toWire` keeps the tag, or makes of it what `Wire` says.
  Effect.catchAll(effect, (error) => Effect.flatMap(toWire(error), (wire) => Effect.fail(wire as Wire<E>)))
