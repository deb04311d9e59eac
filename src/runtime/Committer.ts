import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type { DatabaseError } from "../model/Errors.js"
import { Limits } from "../model/Limits.js"
import type { RunCommit } from "../model/Run.js"
import { Inbox } from "../store/Inbox.js"
import { type CommitCheck, isNotReady, StateStore } from "../store/StateStore.js"
import { StepStore } from "../store/StepStore.js"
import { Transactor, type Writes, writeAll } from "../store/Transactor.js"
import { TriggerStore } from "../store/TriggerStore.js"
import * as GroupWriter from "./GroupWriter.js"
import { commitBatches } from "./Measures.js"

/**
 * What became of a commit: it is true now; another holds the run; or the database refuses it, whatever it is tried with.
 */
export type CommitOutcome =
  | { readonly _tag: "Applied" }
  | { readonly _tag: "Stale" }
  | { readonly _tag: "Rejected"; readonly error: DatabaseError }

/** A run that has something to commit. */
export interface CommitSource {
  /** The commit of everything that has happened by now; nothing if that changes nothing. Called once per entry. */
  readonly next: () => RunCommit | undefined
  /** Its fate; not called where there was nothing to commit. */
  readonly committed: (exit: Exit.Exit<CommitOutcome>) => void
}

/** Writes the commits of all live runs of this worker, many in one transaction. */
export class Committer extends Context.Tag("perdure/Committer")<
  Committer,
  {
    /** Takes the run's next commit when a transaction is formed, and tells its fate; a database that is away is waited for. */
    readonly enter: (source: CommitSource) => void
  }
>() {}

const applied: CommitOutcome = { _tag: "Applied" }
const stale: CommitOutcome = { _tag: "Stale" }

const make = Effect.gen(function* () {
  const transactor = yield* Transactor
  const states = yield* StateStore
  const inbox = yield* Inbox
  const steps = yield* StepStore
  const triggers = yield* TriggerStore

  /** All of commits but the rows of their runs. */
  const rest = (commits: ReadonlyArray<RunCommit>): Writes => [
    ...states.writeFirings(commits),
    ...inbox.append(commits),
    ...inbox.discard(commits),
    ...steps.write(commits),
    ...triggers.settle(commits)
  ]

  /** Nearly always every commit of a batch can be written at once: check and writes go together, all of them or none. */
  const writeAtOnce = (commits: ReadonlyArray<RunCommit>) =>
    Effect.matchEffect(
      Effect.suspend(() =>
        transactor.writeAtOnce("runs", [...states.writeAllRuns(commits, Limits.batchLockTimeoutMs), ...rest(commits)])
      ),
      {
        onSuccess: () => Effect.succeed(commits.map((): CommitCheck => "Ready")),
        onFailure: (error) => (isNotReady(error) ? write(commits, false) : Effect.fail(error))
      }
    )

  /** One transaction: lock and check the runs, then write what is ready. Everything of a batch or nothing. */
  const write = (commits: ReadonlyArray<RunCommit>, wait: boolean) =>
    transactor.transact(
      "runs",
      Effect.gen(function* () {
        const checks = yield* states.check(commits, { wait })
        const ready = commits.filter((_, index) => checks[index] === "Ready")
        if (ready.length > 0) yield* writeAll([...states.writeRuns(ready), ...rest(ready)])
        return checks
      }),
      wait ? { lockTimeout: Duration.millis(Limits.commitLockTimeoutMs) } : undefined
    )

  /** A commit by itself, until its fate is known. */
  const alone = (commit: RunCommit): Effect.Effect<CommitOutcome> => {
    let refusals = 0
    return write([commit], true).pipe(
      Effect.map(([check]): CommitOutcome => (check === "Stale" ? stale : applied)),
      Effect.catchIf(
        (error) => error.outcome === "fatal" && ++refusals >= Limits.rejectedCommitTries,
        (error) => Effect.succeed<CommitOutcome>({ _tag: "Rejected", error })
      ),
      Effect.tapError((error) => Effect.logWarning("A commit is tried again", error)),
      Effect.retry(GroupWriter.backoff),
      Effect.orDie,
      Effect.annotateLogs("runId", commit.runId)
    )
  }

  const writer = yield* GroupWriter.make<CommitSource, RunCommit, CommitOutcome, never>({
    max: Limits.commitBatch,
    lanes: Limits.commitLanes,
    prepare: (source) => source.next(),
    waits: true,
    write: (commits) =>
      Effect.map(writeAtOnce(commits), (checks) => {
        commitBatches.unsafeUpdate(commits.length, [])
        return checks.map(outcomeOf)
      }),
    alone
  })
  return { enter: (source: CommitSource) => writer.offer(source, (exit) => source.committed(exit)) }
})

const outcomeOf = (check: CommitCheck): CommitOutcome | typeof GroupWriter.postponed => {
  if (check === "Busy") return GroupWriter.postponed
  return check === "Stale" ? stale : applied
}

/** The committer of a worker. */
export const layer: Layer.Layer<Committer, never, Transactor | StateStore | Inbox | StepStore | TriggerStore> =
  Layer.scoped(Committer, make)
