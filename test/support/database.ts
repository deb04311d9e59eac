import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { inject } from "vitest"
import { databaseOn, type FreshDatabase, type Template } from "./serverDatabase.js"

/** A migrated database of one's own on the server of this run of tests; outside of tests see {@link databaseOn}. */
export const freshDatabase = (template?: Template): Effect.Effect<FreshDatabase, never, Scope.Scope> =>
  databaseOn(inject("postgresUrl"), template)
