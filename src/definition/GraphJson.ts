import * as Schema from "effect/Schema"
import type { Graph } from "./Graph.js"

const PortRef = Schema.Struct({ node: Schema.String, port: Schema.String })

const GraphNode = Schema.Struct({
  id: Schema.String,
  node: Schema.String,
  kind: Schema.Literal("task", "trigger"),
  repeated: Schema.NullOr(Schema.Int),
  resumable: Schema.Boolean,
  inputs: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      mode: Schema.Literal("one", "unordered", "shared", "all", "latest", "stream"),
      from: Schema.Array(PortRef)
    })
  ),
  outputs: Schema.Array(Schema.Struct({ name: Schema.String, mode: Schema.Literal("one", "optional", "many") })),
  hasError: Schema.Boolean,
  concurrency: Schema.NullOr(Schema.Int),
  compensates: Schema.optionalWith(Schema.Literal(true), { exact: true }),
  child: Schema.optionalWith(Schema.Struct({ workflow: Schema.String, version: Schema.Int }), { exact: true })
})

/** A graph as the API shows it. */
export const GraphSchema: Schema.Schema<Graph> = Schema.Struct({
  name: Schema.String,
  version: Schema.Int,
  input: Schema.Array(Schema.String),
  nodes: Schema.Array(GraphNode),
  outputs: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      mode: Schema.Literal("value", "option", "array", "first"),
      from: Schema.Array(PortRef)
    })
  )
})

/** A graph as text: the stored form, from which a later process says what differs. */
export const GraphText: Schema.Schema<Graph, string> = Schema.parseJson(GraphSchema)
