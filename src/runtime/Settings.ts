import * as Context from "effect/Context"

/** What an operator may tune; every time is in milliseconds. */
export interface SettingsShape {
  /** A name for people; each life of the process is told apart by its incarnation. */
  readonly workerId: string
  /** Firings that run at once in this process. */
  readonly slots: number
  /** Runs in memory at once. */
  readonly maxRuns: number
  /** Without a heartbeat for this long a worker's runs are taken over. */
  readonly leaseMs: number
  readonly heartbeatMs: number
  /** Time between two looks for work. Hints only make a look come sooner. */
  readonly pollMs: number
  /** How long a waiting run stays in memory where there is room; the fuller it is, the shorter. */
  readonly idleMs: number
  /** How long a stop waits for firings that run. */
  readonly graceMs: number
  /** How long nobody may serve a definition before its runs are parked. */
  readonly unknownAfterMs: number
  /** How long the messages, steps, inputs and commands of an ended run are kept; so long a failed run can be tried again. */
  readonly retentionMs: number
  /** How long an ended run itself is kept, with its values and its firings. */
  readonly runRetentionMs: number
  /** How long events stay in the audit log; those of a run that is gone go with it. */
  readonly auditRetentionMs: number
  /** Workflows that are kept for longer or shorter than others, by name. */
  readonly retention: { readonly [workflow: string]: Partial<RetentionPolicy> }
  /** Time between two sweeps of what is older. */
  readonly cleanupMs: number
  /** How deep children may have children. */
  readonly childDepth: number
  /**
   * How many children one attempt of a handler may start, all together; one more fails the firing. Of a child node: how many of its children of
   * one run live at once; the firings after them wait.
   */
  readonly childFanOut: number
  /** For tests: give the run up and read it back from its rows after every firing. */
  readonly alwaysEvict: boolean
}

/** The defaults. */
export const defaultSettings: SettingsShape = {
  workerId: "worker",
  slots: 200,
  maxRuns: 2_000,
  leaseMs: 15_000,
  heartbeatMs: 3_000,
  pollMs: 1_000,
  idleMs: 2_000,
  graceMs: 10_000,
  unknownAfterMs: 60_000,
  retentionMs: 7 * 24 * 3_600_000,
  runRetentionMs: 30 * 24 * 3_600_000,
  auditRetentionMs: 30 * 24 * 3_600_000,
  retention: {},
  cleanupMs: 60_000,
  childDepth: 16,
  childFanOut: 1_000,
  alwaysEvict: false
}

/** How long what is kept, in milliseconds; `Infinity`: for ever. */
export type RetentionPolicy = Pick<SettingsShape, "retentionMs" | "runRetentionMs" | "auditRetentionMs">

/** The policy of a workflow, or without one that of all which have none of their own. Nothing is kept for longer than its run. */
export const policyOf = (settings: SettingsShape, workflow?: string): RetentionPolicy => {
  const own = workflow === undefined ? undefined : settings.retention[workflow]
  const runRetentionMs = own?.runRetentionMs ?? settings.runRetentionMs
  return {
    runRetentionMs,
    retentionMs: Math.min(own?.retentionMs ?? settings.retentionMs, runRetentionMs),
    auditRetentionMs: own?.auditRetentionMs ?? settings.auditRetentionMs
  }
}

/** The settings of an engine; without a layer the defaults hold. */
export class Settings extends Context.Reference<Settings>()("perdure/Settings", {
  defaultValue: (): SettingsShape => defaultSettings
}) {}
