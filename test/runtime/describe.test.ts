import * as Data from "effect/Data"
import * as Schema from "effect/Schema"
import { expect, it, describe as suite } from "vitest"
import { describe } from "../../src/runtime/Describe.js"

class Bare extends Data.TaggedError("Bare") {}
class Fields extends Schema.TaggedError<Fields>()("Fields", { page: Schema.Int }) {}
class Worded extends Schema.TaggedError<Worded>()("Worded", { page: Schema.Int }) {
  override get message(): string {
    return `page ${this.page} can't be read`
  }
}

suite("a failure's message", () => {
  it.each([
    ["its words", new Worded({ page: 13 }), "page 13 can't be read"],
    ["its name and fields where it has no words", new Fields({ page: 13 }), 'Fields { "page": 13 }'],
    ["its name where it has nothing else", new Bare(), "Bare"],
    ["the tag of what is no error", { _tag: "Odd", page: 13 }, "Odd"],
    ["the words of an error without a tag", new Error("{ broken"), "{ broken"],
    ["a text as it is", "busy", "busy"],
    ["something even of what has no text", Object.create(null), "a value that can't be shown as text"]
  ])("is %s", (_, error, message) => expect(describe(error)).toBe(message))
})
