import * as Effect from "effect/Effect"
import type { RunId } from "../model/Ids.js"
import { textArray } from "./Arrays.js"
import { run } from "./Execution.js"
import { decodeAll, decodeCommand, decodeInput, decodeUnapplied } from "./Rows.js"
import { isNew, qualifier, type SchemaName, statementsOf } from "./Statement.js"

const inputColumns = `
  t.seq::text as seq, t.run_id as "runId", t.node_id as "nodeId", t.input_id as "inputId", t.signal, t.payload, t.status`

const readStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  const look = (kind: "input" | "command", table: string) =>
    statement(
      `look.${kind}`,
      `
      select f.seq::text as seq, f.run_id as "runId", '${kind}' as kind, r.worker, r.status as "runStatus"
      from (
        select t.seq, t.run_id from ${s}.${table} t
        where t.status = 'new' and t.seq > $1::int8 order by t.seq limit $2
      ) f
      join ${s}.run_state r on r.run_id = f.run_id
      order by f.seq`
    )
  return {
    input: look("input", "trigger_inputs"),
    command: look("command", "run_commands"),
    inputs: statement(
      "inputs",
      `
      select ${inputColumns} from ${s}.trigger_inputs t
      where t.run_id = any($1::text[]) and ${isNew("t")} order by t.seq`
    ),
    commands: statement(
      "commands",
      `
      select t.seq::text as seq, t.run_id as "runId", t.kind, t.status from ${s}.run_commands t
      where t.run_id = any($1::text[]) and ${isNew("t")} order by t.seq`
    ),
    history: statement(
      "inputs.history",
      `
      select ${inputColumns} from ${s}.trigger_inputs t
      where t.run_id = $1 and t.seq > $2::int8 order by t.seq limit $3`
    )
  }
}

/** The verbs that only read. */
export const makeTriggerReads = (schema: SchemaName) => {
  const statements = readStatements(schema)

  const look = (kind: "input" | "command", after: string, limit: number) =>
    Effect.flatMap(run(statements[kind], [after, limit]), (rows) => decodeAll(decodeUnapplied, rows))

  const inputs = (runIds: ReadonlyArray<RunId>) =>
    runIds.length === 0
      ? Effect.succeed([])
      : Effect.flatMap(run(statements.inputs, [textArray(runIds)]), (rows) => decodeAll(decodeInput, rows))

  const commands = (runIds: ReadonlyArray<RunId>) =>
    runIds.length === 0
      ? Effect.succeed([])
      : Effect.flatMap(run(statements.commands, [textArray(runIds)]), (rows) => decodeAll(decodeCommand, rows))

  const history = (runId: RunId, after: string, limit: number) =>
    Effect.flatMap(run(statements.history, [runId, after, limit]), (rows) => decodeAll(decodeInput, rows))

  return { look, inputs, commands, history }
}
