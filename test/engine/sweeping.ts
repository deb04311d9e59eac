import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { layer as stores } from "../../src/postgres/layer.js"
import * as DatabaseClock from "../../src/runtime/DatabaseClock.js"
import { Janitor, layer as janitor } from "../../src/runtime/Janitor.js"
import { defaultSettings, Settings, type SettingsShape } from "../../src/runtime/Settings.js"
import type { World } from "./world.js"

/** One sweep by a worker with these settings. */
export const swept = (world: World, settings: Partial<SettingsShape> = {}) =>
  world.over(
    Effect.scoped(
      Effect.flatMap(Janitor, ({ sweep }) => sweep).pipe(
        // Of its own stores: it begins at the beginning.
        Effect.provide(janitor.pipe(Layer.provide(DatabaseClock.layer), Layer.provide(Layer.fresh(stores())))),
        Effect.provideService(Settings, { ...defaultSettings, ...settings })
      )
    )
  )
