const read =
  "A read for people in a transaction of its own, by which the engine decides nothing: a fault there is its caller's answer."
const lifelines =
  "Only workers that hold a session of their own on a server look at others' sessions; test/postgres/workers.test.ts has it."
const damaged =
  "Only for a run whose rows were damaged so that its frontier can't be read; test/engine/recovery.test.ts damages them."

/** Pairs of a point and a mode that no case hits, and why; `*` is anything, `@never` a statement that nothing passed. */
export const gaps: Readonly<Record<string, string>> = {
  "claim.recover@never":
    "No commit leaves a run pending or suspended while a firing of it runs, and only such a run needs it; test/postgres/claims.test.ts writes the rows by hand.",
  "open.crashedAnywhere@never": damaged,
  "open.interruptedAnywhere@never": damaged,
  "inbox.highest@never": "Nothing in the engine asks it.",
  "workers.stopOthers@never":
    "Only where one process has the database for itself, which a folder's lock guarantees and no zombie can break; test/postgres/workers.test.ts has it.",
  "workers.rivals@never": lifelines,
  "workers.declareDead@never": lifelines,
  "workers.list@never": read,
  "run.firings@never": read,
  "run.openFirings@never": read,
  "run.resumability@never": read,
  "run.standing@never": read,
  "inputs.history@never": read,
  "overview.*@never": read,
  "steps.hold@never":
    "Runs in a transaction of the application's own client, where statements have no names of ours; the subject transactions hits it there.",
  "retry.refuse@never": "Only for a failed run whose rows were damaged, which nobody can read.",
  "retry.unparkFirings@never":
    "Only for a run that an operator brings back after it was parked; test/engine/again.test.ts parks one by hand.",
  "retry.answer@never": "As retry.unparkFirings.",
  "retention.forget@never":
    "Only when a run goes, a month after its end; test/engine/retention.test.ts makes runs older, and breaks the audit log.",
  "settle.run_commands.late@never":
    "Only for a failed run that an input or a command reached while it failed, and nobody has asked to try it again; test/engine/again.test.ts puts both there by hand."
}

/** The same, where it depends on how two sessions of a server happen to meet, or on what a seed draws: hit or not, both are right. */
export const chances: Readonly<Record<string, string>> = {
  "*check.look@*":
    "Asked only about a row that another session has locked; test/explore/faultsServer.test.ts (C7) and test/postgres/commits.test.ts lock it.",
  "*steps.published@*": "A query's read, where the random graphs of a seed have nodes that answer some."
}
