import type { HttpApiDecodeError } from "@effect/platform/HttpApiError"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as Effect from "effect/Effect"
import { ArrayFormatter, type ParseError } from "effect/ParseResult"
import type { ApiError } from "../http/Errors.js"
import * as Model from "../model/Errors.js"
import { AccessDenied, type ClientTrouble, Overloaded, ServerTrouble, UnexpectedAnswer, Unreachable } from "./Errors.js"

/** Errors of the API that mean the same here as in the process of the engine. */
const model = {
  RunNotFound: Model.RunNotFound,
  RunConflict: Model.RunConflict,
  RunEnded: Model.RunEnded,
  CommandRefused: Model.CommandRefused,
  WorkflowNotFound: Model.WorkflowNotFound,
  NodeNotFound: Model.NodeNotFound,
  SignalNotFound: Model.SignalNotFound,
  InvalidInput: Model.InvalidInput
} as const

type ModelTag = keyof typeof model

/** An error of the API as an application gets it. */
export type Local<E> = E extends { readonly _tag: infer Tag }
  ? Tag extends ModelTag
    ? InstanceType<(typeof model)[Tag]>
    : Tag extends "ParseError"
      ? Model.InvalidInput
      : ClientTrouble
  : ClientTrouble

type Wire = ApiError | HttpApiDecodeError | HttpClientError.HttpClientError | ParseError | UnexpectedAnswer

const isModel = (error: Wire): error is Extract<ApiError, { readonly _tag: ModelTag }> => error._tag in model

/** What is at the bottom of it, as `connect ECONNREFUSED 127.0.0.1:4400`: `fetch` itself only says that it failed. */
const causeOf = (error: HttpClientError.RequestError): string => {
  let reason = error.description ?? error.reason
  let cause: unknown = error.cause
  for (let depth = 0; depth < 5 && cause instanceof Error; depth++) {
    if (cause.message !== "") reason = cause.message
    cause = cause.cause
  }
  return reason
}

/** What was wrong with a call before it was sent. */
const refusalOf = (error: ParseError): Model.InvalidInput => {
  const [first] = ArrayFormatter.formatErrorSync(error)
  const field = first === undefined || first.path.length === 0 ? "body" : first.path.map(String).join(".")
  return new Model.InvalidInput({ field, reason: first?.message ?? "does not fit" })
}

const troubleOf = (error: Exclude<Wire, { readonly _tag: ModelTag | "ParseError" }>): ClientTrouble => {
  switch (error._tag) {
    case "Unauthorized":
    case "Forbidden":
    case "ForbiddenHost":
    case "ForbiddenOrigin":
      return new AccessDenied({ reason: error.message })
    case "TooManyRequests":
    case "TooManyStreams":
      return new Overloaded({ reason: error.message })
    case "DatabaseUnavailable":
    case "InternalError":
      return new ServerTrouble({ id: error.id, reason: error.message })
    case "RequestError":
      return new Unreachable({ reason: causeOf(error) })
    case "UnexpectedAnswer":
      return error
    case "ResponseError":
      return new UnexpectedAnswer({ reason: `status ${error.response.status}` })
    default:
      return new UnexpectedAnswer({ reason: error.message })
  }
}

/** Turns the errors of a call into those of the engine, and all others into trouble. */
export const locally = <A, E extends Wire, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, Local<E>, R> =>
  Effect.mapError(effect, (error): Local<E> => {
    const wire: Wire = error
    if (wire._tag === "ParseError") return refusalOf(wire) as Local<E>
    if (!isModel(wire)) return troubleOf(wire) as Local<E>
    const { message: _, ...fields } = wire
    // Its fields are those of its class: the wire form was derived from it.
    return new model[wire._tag](fields as never) as Local<E>
  })
