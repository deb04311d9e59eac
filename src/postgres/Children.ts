import type { Parent } from "../model/Frontier.js"
import { childSignal } from "../model/Ids.js"
import type { CommandKind, RunCommit, RunStart } from "../model/Run.js"
import { isEnded } from "../model/Status.js"
import type { Writes } from "../store/Transactor.js"
import { textArray } from "./Arrays.js"
import { lengthOf, writesOf } from "./Chunks.js"
import { write } from "./Execution.js"
import { qualifier, type SchemaName, statementsOf } from "./Statement.js"

const childStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  return {
    // The parent may be cancelled in this very moment: whoever gets its row first, the other sees what he did.
    link: statement(
      "children.link",
      `
      with linked as (
        insert into ${s}.run_children (run_id, child_id)
        select c.run_id, c.child_id from unnest($1::text[], $2::text[]) c(run_id, child_id)
        on conflict do nothing
        returning run_id, child_id
      ),
      parents as (
        select r.run_id, r.status from ${s}.run_state r where r.run_id = any($1::text[]) order by r.run_id for share
      )
      insert into ${s}.run_commands (run_id, kind)
      select l.child_id, case when p.status = 'paused' then 'pause' else 'cancel' end
      from linked l join parents p on p.run_id = l.run_id
      where p.status in ('paused', 'cancelling', 'cancelled', 'compensating', 'compensated', 'failed')`
    ),
    // A parent that has ended does not want to know, but for one that failed and may be tried again.
    tell: statement(
      "children.tell",
      `
      insert into ${s}.trigger_inputs (run_id, node_id, input_id, signal, payload)
      select c.run_id, c.node_id, c.input_id, c.signal, c.payload
      from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) c(run_id, node_id, input_id, signal, payload)
      join ${s}.run_state r on r.run_id = c.run_id and (r.ended_at is null or r.status = 'failed')
      on conflict do nothing`
    ),
    command: statement(
      "children.command",
      `
      insert into ${s}.run_commands (run_id, kind)
      select f.child_id, c.kind
      from unnest($1::text[], $2::text[]) c(run_id, kind)
      join ${s}.run_children f on f.run_id = c.run_id
      join ${s}.run_state r on r.run_id = f.child_id and r.ended_at is null
      on conflict do nothing`
    )
  }
}

interface Told {
  readonly commit: RunCommit
  readonly parent: Parent
}

/** Children that have ended with these commits. */
const endedChildren = (commits: ReadonlyArray<RunCommit>): ReadonlyArray<Told> =>
  commits
    .filter(({ frontier, status }) => frontier.parent !== undefined && isEnded(status))
    .map((commit) => ({ commit, parent: commit.frontier.parent! }))

const toldSize = ({ commit }: Told): number => lengthOf(commit.output) + lengthOf(commit.failure)

const makeTell = (statement: ReturnType<typeof childStatements>["tell"]) => {
  const tellAll = (told: ReadonlyArray<Told>) =>
    write(statement, [
      textArray(told.map(({ parent }) => parent.runId)),
      textArray(told.map(({ parent }) => parent.nodeId)),
      textArray(told.map(({ commit }) => commit.runId)),
      textArray(told.map(({ commit }) => childSignal(commit.runId))),
      textArray(told.map(({ commit: { failure, output, status } }) => JSON.stringify({ status, output, failure })))
    ])
  return (commits: ReadonlyArray<RunCommit>): Writes => writesOf(endedChildren(commits), toldSize, tellAll)
}

/** What commits mean to the relatives of their runs: commands go down, ends go up. */
export const makeFamily = (schema: SchemaName) => {
  const statements = childStatements(schema)
  const tell = makeTell(statements.tell)

  const passOn = (commits: ReadonlyArray<RunCommit>): Writes => {
    const answering = commits.filter((commit) => commit.answered.length > 0 || hasFailed(commit))
    const passed = answering.flatMap((commit) => {
      const { answered, runId } = commit
      const kinds = answered.flatMap(({ kind, status }) => (status === "applied" && travels(kind) ? [kind] : []))
      return (hasFailed(commit) ? [...kinds, "cancel" as const] : kinds).map((kind) => ({ runId, kind }))
    })
    if (passed.length === 0) return []
    return [
      write(statements.command, [
        textArray(passed.map(({ runId }) => runId)),
        textArray(passed.map(({ kind }) => kind))
      ])
    ]
  }

  return (commits: ReadonlyArray<RunCommit>): Writes => [...passOn(commits), ...tell(commits)]
}

/** Whether a run fails by this commit, or begins to undo what it did because it did: what its children do is in vain. */
const hasFailed = ({ frontier, status, version }: RunCommit): boolean =>
  status === "failed" || (frontier.undo?.over?.since === version && frontier.undo.over.cause !== null)

const travels = (kind: CommandKind | undefined): kind is Exclude<CommandKind, "retry"> =>
  kind !== undefined && kind !== "retry"

/** The verb `link`. */
export const makeLink = (schema: SchemaName) => {
  const statements = childStatements(schema)
  const tell = makeTell(statements.tell)
  return (starts: ReadonlyArray<RunStart>): Writes => {
    const children = starts.filter(({ first }) => first.frontier.parent !== undefined)
    if (children.length === 0) return []
    const link = write(statements.link, [
      textArray(children.map(({ first }) => first.frontier.parent!.runId)),
      textArray(children.map(({ first }) => first.runId))
    ])
    return [link, ...tell(children.map(({ first }) => first))]
  }
}
