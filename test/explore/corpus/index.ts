import type { Subject } from "../../../src/testing/Subject.js"
import { chain } from "./chain.js"
import { childAgain, childCancel, children } from "./children.js"
import { evicted, fanOut, merging, oneSlot, twoWorkers } from "./fanOut.js"
import { cleaned, handedOver, unknown } from "./leaving.js"
import { loose } from "./loose.js"
import { randoms } from "./random.js"
import { errors, failure, longer, routing, timeout } from "./routing.js"
import { signals, steps, waits } from "./steps.js"
import { streams } from "./streams.js"
import { again, later, overdue, overtime } from "./times.js"
import { transactions } from "./transactions.js"
import { undoCancel, undone } from "./undo.js"
import { cancelled, cancelRace, during, early, joined, late, paused, repeated, suspend } from "./waiting.js"

const written: ReadonlyArray<Subject> = [
  chain,
  routing,
  fanOut,
  evicted,
  oneSlot,
  twoWorkers,
  merging,
  errors,
  failure,
  timeout,
  longer,
  early,
  during,
  late,
  suspend,
  repeated,
  cancelled,
  cancelRace,
  paused,
  joined,
  cleaned,
  handedOver,
  unknown,
  steps,
  signals,
  waits,
  loose,
  children,
  childCancel,
  childAgain,
  again,
  later,
  overdue,
  overtime,
  undone,
  undoCancel,
  streams,
  transactions
]

/** Subjects whose transactions go statement by statement, as behind a pooling proxy: each statement is a point there. */
const statementwise = new Set([
  "routing",
  "oneSlot",
  "errors",
  "triggerDuring",
  "cancelRace",
  "random0",
  "waits",
  "childCancel",
  "later",
  "undoCancel"
])

/** Everything that is explored: what was written, and what a seed draws. */
export const corpus = (seed: number): ReadonlyArray<Subject> =>
  [...written, ...randoms(seed)].map((subject) => ({ ...subject, statementwise: statementwise.has(subject.name) }))
