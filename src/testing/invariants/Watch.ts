import {
  canMoveFiring,
  canMoveRun,
  firingTransitions,
  isEnded,
  isFiringEnded,
  runTransitions
} from "../../model/Status.js"

const pairs = <S extends string>(table: Record<S, unknown>, allowed: (from: S, to: S) => boolean): string => {
  const all = Object.keys(table) as Array<S>
  const list = all.flatMap((from) => all.filter((to) => allowed(from, to)).map((to) => `'${from}>${to}'`))
  return `(${list.join(", ")})`
}

const list = (values: ReadonlyArray<string>): string => `(${values.map((value) => `'${value}'`).join(", ")})`

const endedRuns = list((Object.keys(runTransitions) as Array<keyof typeof runTransitions>).filter(isEnded))
const endedFirings = list(
  (Object.keys(firingTransitions) as Array<keyof typeof firingTransitions>).filter(isFiringEnded)
)

/** Changes of rows that must never be committed, each with the invariant it breaks. */
const watches: ReadonlyArray<{ readonly table: string; readonly name: string; readonly when: string }> = [
  {
    table: "run_state",
    name: "S5_numbers",
    when: `new.version < old.version or new.version > old.version + 1 or new.fence < old.fence or new.fence > old.fence + 1`
  },
  {
    table: "run_state",
    name: "S10_transition",
    when: `old.status || '>' || new.status not in ${pairs(runTransitions, canMoveRun)}`
  },
  {
    table: "run_state",
    name: "S10_ended",
    when: `old.status in ${endedRuns} and old.status <> 'failed'
      and (new.version, new.fence, new.frontier, new.ended_at) is distinct from (old.version, old.fence, old.frontier, old.ended_at)`
  },
  {
    table: "run_values",
    name: "S10_output",
    when: `new.input <> old.input or (old.output is not null and new.output is distinct from old.output)
      or (old.failure is not null and new.failure is not null and new.failure <> old.failure)`
  },
  {
    table: "run_node_state",
    name: "S1_commits_once",
    when: `old.status in ${endedFirings} and new.* is distinct from old.*
      and not (old.status in ('failed', 'cancelled') and new.status in ('scheduled', 'suspended'))`
  },
  {
    table: "run_node_state",
    name: "S10_firing_transition",
    when: `old.status || '>' || new.status not in ${pairs(firingTransitions, canMoveFiring)}`
  },
  {
    table: "run_node_state",
    name: "S9_counters",
    when: "new.attempt < old.attempt or (new.crashes < old.crashes and new.crashes > 0) or new.crashes > old.crashes + 1"
  },
  {
    table: "run_inbox_messages",
    name: "S3_message_changed",
    when: `(new.payload, new.tombstone) is distinct from (old.payload, old.tombstone) or (old.discarded and not new.discarded)`
  },
  {
    table: "run_steps",
    name: "S10_step",
    when: `old.kind in ('run', 'sleep', 'signal') and old.status in ('completed', 'timed_out')
      and new.* is distinct from old.*`
  },
  {
    table: "trigger_inputs",
    name: "S7_applied_once",
    // What nobody took before its run failed is there again when that is tried again.
    when: `old.status in ('applied', 'dead') and new.* is distinct from old.*
      and not (old.status = 'dead' and new.status = 'new')`
  }
]

/**
 * SQL that makes a database of ours note, from now on, every committed change of a row that must never happen.
 *
 * **Details** What only a transition shows, no look at the rows finds later: a firing that commits twice, a number that
 * skips, an ended run that moves. The notes stand in `perdure_watch.violations`; a rollback takes them along.
 */
export const watchStatements: ReadonlyArray<string> = [
  "create schema if not exists perdure_watch",
  `create table if not exists perdure_watch.violations (
    seq bigint generated always as identity, name text not null, before text not null, after text not null
  )`,
  `create or replace function perdure_watch.note() returns trigger language plpgsql as $note$
  begin
    insert into perdure_watch.violations (name, before, after) values (tg_argv[0], old::text, new::text);
    return null;
  end $note$`,
  ...watches.map(
    ({ name, table, when }) => `create or replace trigger watch_${name.toLowerCase()} after update on perdure.${table}
    for each row when (${when}) execute function perdure_watch.note('${name}')`
  )
]
