import * as Context from "effect/Context"
import type { Transactor } from "./Transactor.js"

/**
 * Connections of their own for what people look at, so that no question of theirs waits for, or holds up, a commit.
 *
 * **Details** Without a layer there are none: such questions are asked over the engine's own connections, as on the embedded
 * database, which has but one.
 */
export class ReadTransactor extends Context.Reference<ReadTransactor>()("perdure/ReadTransactor", {
  defaultValue: (): Context.Tag.Service<Transactor> | undefined => undefined
}) {}
