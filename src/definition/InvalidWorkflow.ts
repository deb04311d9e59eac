import * as Schema from "effect/Schema"

/**
 * A definition that can't be run; thrown when it is built.
 *
 * **Details** `issues` holds everything that is wrong with the graph, a line each.
 */
export class InvalidWorkflow extends Schema.TaggedError<InvalidWorkflow>()("InvalidWorkflow", {
  workflow: Schema.String,
  issues: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `workflow ${this.workflow} is invalid:\n${this.issues.map((issue) => `- ${issue}`).join("\n")}`
  }
}
