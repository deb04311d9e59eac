import * as Layer from "effect/Layer"
import { StateStore } from "../store/StateStore.js"
import { makeCancelUnheld } from "./CancelUnheld.js"
import { makeClaim } from "./Claims.js"
import { makeCheck, makeWriteFirings, makeWriteRuns } from "./Commits.js"
import { makePark, makeRelease } from "./Leases.js"
import { makePostpone, makeRetry, makeUnpark } from "./Retry.js"
import { makeReads } from "./RunReads.js"
import { makeStart, makeStartAll } from "./Starts.js"
import { defaultSchema, type SchemaName } from "./Statement.js"
import { makeParkUnknown, makeUnparkKnown } from "./Unknown.js"
import { makeWakeToCancel } from "./WakeToCancel.js"

/** Runs and firings in PostgreSQL. */
export const layer = (schema: SchemaName = defaultSchema): Layer.Layer<StateStore> =>
  Layer.sync(StateStore, () => ({
    start: makeStart(schema),
    startAll: makeStartAll(schema),
    check: makeCheck(schema),
    ...makeWriteRuns(schema),
    writeFirings: makeWriteFirings(schema),
    claim: makeClaim(schema),
    release: makeRelease(schema),
    park: makePark(schema),
    ...makeRetry(schema),
    unpark: makeUnpark(schema),
    postpone: makePostpone(schema),
    cancelUnheld: makeCancelUnheld(schema),
    wakeToCancel: makeWakeToCancel(schema),
    parkUnknown: makeParkUnknown(schema),
    unparkKnown: makeUnparkKnown(schema),
    ...makeReads(schema)
  }))
