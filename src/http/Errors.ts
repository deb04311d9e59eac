import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as Schema from "effect/Schema"
import * as Model from "../model/Errors.js"
import { scopes } from "./Access.js"

/** The wire form of an error of the model: its fields, and its message. */
const ofModel = <Fields extends Schema.Struct.Fields>(
  error: { readonly fields: Fields; readonly identifier: string },
  status: number
) =>
  Schema.Struct({ ...error.fields, message: Schema.String }).annotations(
    HttpApiSchema.annotations({ status, identifier: error.identifier })
  )

/** An error that only HTTP knows. */
const ofHttp = <Tag extends string, Fields extends Schema.Struct.Fields>(tag: Tag, status: number, fields: Fields) =>
  Schema.TaggedStruct(tag, { message: Schema.String, ...fields }).annotations(
    HttpApiSchema.annotations({ status, identifier: tag })
  )

export const RunNotFound = ofModel(Model.RunNotFound, 404)
export const RunConflict = ofModel(Model.RunConflict, 409)
export const RunEnded = ofModel(Model.RunEnded, 409)
export const CommandRefused = ofModel(Model.CommandRefused, 409)
export const WorkflowNotFound = ofModel(Model.WorkflowNotFound, 404)
export const NodeNotFound = ofModel(Model.NodeNotFound, 404)
export const SignalNotFound = ofModel(Model.SignalNotFound, 404)
export const InvalidInput = ofModel(Model.InvalidInput, 400)

/** The body is not JSON. */
export const InvalidJson = ofHttp("InvalidJson", 400, {})
/** The body is larger than this server takes. */
export const BodyTooLarge = ofHttp("BodyTooLarge", 413, { limitBytes: Schema.Int })
/** The body is not declared as JSON. */
export const UnsupportedMediaType = ofHttp("UnsupportedMediaType", 415, {})
/** The request bears no token of this server, or its signature is not that of its sender. */
export const Unauthorized = ofHttp("Unauthorized", 401, {})
/** The token may not do this; `scope` is what it takes. */
export const Forbidden = ofHttp("Forbidden", 403, { scope: Schema.Literal(...scopes) })
/** Too many requests from one address; try again after so many seconds. */
export const TooManyRequests = ofHttp("TooManyRequests", 429, { retryAfterSeconds: Schema.Int })
/** As many streams are open as this server serves. */
export const TooManyStreams = ofHttp("TooManyStreams", 429, { limit: Schema.Int })
/** The request was sent to a name this server does not go by. */
export const ForbiddenHost = ofHttp("ForbiddenHost", 403, {})
/** A page of another site wants to change something. */
export const ForbiddenOrigin = ofHttp("ForbiddenOrigin", 403, {})
/** No such path. */
const RouteNotFound = ofHttp("RouteNotFound", 404, { path: Schema.String })
/** Path, query and headers are longer than a server takes: it is answered before the call is known. */
export const MalformedRequest = ofHttp("MalformedRequest", 431, {})
/** The path knows other methods; they stand in the header `Allow`, too. */
const MethodNotAllowed = ofHttp("MethodNotAllowed", 405, { allow: Schema.Array(Schema.String) })
/** The database did not do what it was asked; `id` finds the details in the log. */
export const DatabaseUnavailable = ofHttp("DatabaseUnavailable", 503, { id: Schema.String })
/** Something is wrong with this server; `id` finds the details in the log. */
export const InternalError = ofHttp("InternalError", 500, { id: Schema.String })
/** The server can't take work at the moment. */
export const NotReady = ofHttp("NotReady", 503, {})

export type InvalidInput = typeof InvalidInput.Type
export type InvalidJson = typeof InvalidJson.Type
export type BodyTooLarge = typeof BodyTooLarge.Type
export type UnsupportedMediaType = typeof UnsupportedMediaType.Type
export type DatabaseUnavailable = typeof DatabaseUnavailable.Type
export type InternalError = typeof InternalError.Type
export type Unauthorized = typeof Unauthorized.Type
export type TooManyStreams = typeof TooManyStreams.Type
export type NotReady = typeof NotReady.Type

/** Every error of the API, by tag. */
export const all = {
  RunNotFound,
  RunConflict,
  RunEnded,
  CommandRefused,
  WorkflowNotFound,
  NodeNotFound,
  SignalNotFound,
  InvalidInput,
  InvalidJson,
  BodyTooLarge,
  UnsupportedMediaType,
  Unauthorized,
  Forbidden,
  TooManyRequests,
  TooManyStreams,
  ForbiddenHost,
  ForbiddenOrigin,
  RouteNotFound,
  MethodNotAllowed,
  MalformedRequest,
  DatabaseUnavailable,
  InternalError,
  NotReady
} as const

type All = typeof all

/** Any error as a client gets it. */
export type ApiError = { [Tag in keyof All]: All[Tag]["Type"] }[keyof All]

/** The status of an error. */
export const statusOf = (error: ApiError): number => HttpApiSchema.getStatusError(all[error._tag])

/** An `InvalidInput` about one field. */
export const invalid = (field: string, reason: string): InvalidInput => ({
  _tag: "InvalidInput",
  field,
  reason,
  message: `${field}: ${reason}`
})
