import type { Subject } from "../../../src/testing/Subject.js"
import { runId } from "../corpus/kit.js"
import { renamed, type Whole } from "./cases.js"
import { define, untyped, virtual } from "./definitions.js"
import { registered } from "./handlers.js"
import { Reference } from "./reference.js"
import { Script } from "./script.js"

/** A workflow that was drawn, for the explorer: whatever dies, it comes to what the reference says. */
export const subjectOf = (drawn: Whole, name: string): Subject => {
  const whole = renamed(drawn, name)
  const reference = new Reference(whole)
  const defined = define(whole, virtual)
  const run = (runs: Parameters<NonNullable<Subject["expect"]>>[0]) => runs.find((each) => each.runId === runId)
  return {
    name,
    workflows: registered(whole, virtual, defined),
    script: (client) => new Script(whole, untyped(defined.definition), reference, client).run(),
    settings: { alwaysEvict: whole.evicts },
    workers: whole.workers,
    timed: whole.traits.some(({ total }) => total),
    retried: true,
    streams: true,
    undoes: true,
    // The reference says what is right, so that nothing is left to be compared.
    possible: () => undefined,
    expect: (runs, entries) => reference.judge(run(runs), entries)
  }
}
