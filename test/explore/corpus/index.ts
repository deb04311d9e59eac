import type { Subject } from "../../../src/testing/Subject.js"
import { chain } from "./chain.js"

/** Everything that is explored. */
export const corpus: ReadonlyArray<Subject> = [chain]
