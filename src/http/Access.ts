import * as Context from "effect/Context"

/** What a token may do; each includes the one before. */
export const scopes = ["read", "write", "admin"] as const
export type Scope = (typeof scopes)[number]

/** Who may call a route: anybody, whoever signs the very call, or a token of this scope at least. */
export type Access = "public" | "signed" | Scope

/**
 * Marks an endpoint with who may call it; one that is not marked wants the scope `admin`.
 *
 * **Details** No endpoint wants it by its mark: each acts on one run, or starts some. What acts on all has no endpoint.
 */
export class AccessOf extends Context.Tag("perdure/http/Access")<AccessOf, Access>() {}

/** Whether a token of one scope may do what asks for another. */
export const includes = (given: Scope, asked: Scope): boolean => scopes.indexOf(given) >= scopes.indexOf(asked)
