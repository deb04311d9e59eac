import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import type { Workflows } from "./Server.js"

const isLayer = (value: unknown): value is Workflows => Layer.isLayer(value)

/** What a module's layer may be called; another name does too, if it is its only layer. */
const names = ["default", "workflows", "layer"]

/** The layer of workflows that a module exports, or what is wrong with its exports. */
export const layerIn = (module: object): Either.Either<Workflows, string> => {
  const exported: Readonly<Record<string, unknown>> = { ...module }
  const layers = Object.keys(exported).filter((name) => isLayer(exported[name]))
  const name = names.find((known) => layers.includes(known)) ?? (layers.length === 1 ? layers[0] : undefined)
  const layer = name === undefined ? undefined : exported[name]
  if (isLayer(layer)) return Either.right(layer)
  return Either.left(
    layers.length === 0
      ? "exports no layer: expected one as its default export"
      : `exports several layers (${layers.join(", ")}): expected one of them as its default export, or as workflows`
  )
}
