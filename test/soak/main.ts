import { rmSync } from "node:fs"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { setTimeout as delay } from "node:timers/promises"
import { parseArgs } from "node:util"
import { checkInvariants, settle } from "./checks.js"
import { Client } from "./client.js"
import { type CrashFree, checkEndToEnd, type EndToEnd, effectsOf, endOf, nameOf, type Reference } from "./endToEnd.js"
import { faults, type Ground, Toll } from "./faults.js"
import { Entry, readLines } from "./ledger.js"
import { Dice, faultKinds, faultyMs, type PlannedFault, planOf, quotaOf } from "./plan.js"
import { Rig } from "./rig.js"
import { scripts } from "./scripts.js"

const usage = "npm run soak -- [--minutes 3] [--seed 1] [--lease 2000] [--rate 12] [--kinds stop,cut] [--keep] [--plan]"

const { values: given } = parseArgs({
  options: {
    minutes: { type: "string", default: "3" },
    seed: { type: "string", default: "1" },
    /** Milliseconds. */
    lease: { type: "string", default: "2000" },
    /** Runs started per second. */
    rate: { type: "string", default: "12" },
    /** Only these faults. */
    kinds: { type: "string" },
    /** Leaves ledger, logs and dumps also where all is well. */
    keep: { type: "boolean", default: false },
    /** Only says what would happen. */
    plan: { type: "boolean", default: false },
    help: { type: "boolean", default: false }
  }
})

const [minutes, seed, leaseMs, perSecond] = [given.minutes, given.seed, given.lease, given.rate].map(Number) as [
  number,
  number,
  number,
  number
]
const wanted = new Set(given.kinds?.split(",") ?? faultKinds)
const kinds = faultKinds.filter((kind) => wanted.has(kind))
const isSane =
  Number.isInteger(seed) &&
  Number.isInteger(minutes) &&
  minutes > 0 &&
  leaseMs >= 500 &&
  leaseMs <= 4_000 &&
  perSecond > 0
if (given.help || !isSane || kinds.length !== wanted.size) {
  console.error(usage)
  process.exit(given.help ? 0 : 2)
}

const workers = 3

/** What the process ends with; 2 is for a command line that makes no sense. */
const exits = { fine: 0, violation: 1, quotaMissed: 3 } as const
const plan = planOf({ seed, minutes, leaseMs, workers }).filter(({ kind }) => kinds.includes(kind))

/** Runs that a minute must have ended: 10,000 in half an hour. */
const runsPerMinute = Math.min(334, Math.round(perSecond * 25))

const lag = monitorEventLoopDelay()
lag.enable()

/** Each script with each input, while nothing goes wrong. */
const crashFree = async (rig: Rig, client: Client): Promise<Reference> => {
  const cases = scripts.flatMap((script) => Array.from({ length: script.inputs }, (_, v) => ({ script, v })))
  const followed = cases.map(({ script, v }) => client.follow(script, v, "reference-"))
  const waiting = () => cases.filter(({ script }) => script.name === "overNight").length > client.overNight.size
  while (waiting()) await delay(20)
  client.wake()
  const finished = await Promise.all(followed)
  const effects = effectsOf(readLines(rig.ledger, Entry).filter(({ phase }) => phase === "effect"))
  return new Map(
    finished.map((one): [string, CrashFree] => [
      nameOf(one),
      { end: endOf(one), effects: new Set(effects.get(one.runId)?.keys() ?? []) }
    ])
  )
}

/** Does what is planned for a minute; over when all of it is undone. */
const suffer = async (ground: Ground, planned: ReadonlyArray<PlannedFault>): Promise<void> => {
  const begun = performance.now()
  const one = async (fault: PlannedFault) => {
    await delay(Math.max(0, fault.atMs - (performance.now() - begun)))
    ground.rig.say(`${fault.kind} on ${fault.target} for ${fault.lastsMs} ms, down for ${fault.downMs} ms`)
    await faults[fault.kind](ground, fault).catch((error: unknown) =>
      ground.rig.report("harness", `${fault.kind}: ${error instanceof Error ? error.stack : String(error)}`)
    )
  }
  await Promise.all(planned.map(one))
}

const quantile = (sorted: ReadonlyArray<number>, part: number): number =>
  Math.round(sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * part) - 1)] ?? 0)

const spread = (times: ReadonlyArray<number>) => {
  const sorted = [...times].sort((a, b) => a - b)
  return { count: sorted.length, p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99), max: quantile(sorted, 1) }
}

/** What a soak has come to. */
interface Course {
  readonly rig: Rig
  readonly client: Client
  readonly toll: Toll
  readonly reference: Reference
  readonly settled: ReadonlyArray<number>
  readonly seen: EndToEnd
}

const figuresOf = ({ client, rig, seen, settled, toll }: Course) => {
  const statuses = [...client.finished.values()].map(({ end }) => end.status)
  const counted = Object.fromEntries(kinds.map((kind) => [kind, toll.happened.get(kind) ?? 0]))
  const notReached = kinds.filter((kind) => (toll.happened.get(kind) ?? 0) < quotaOf(minutes))
  const missed = [
    ...notReached.map((kind) => `${kind} below ${quotaOf(minutes)}`),
    ...(client.finished.size < runsPerMinute * minutes ? [`runs below ${runsPerMinute * minutes}`] : [])
  ]
  return {
    seed,
    minutes,
    leaseMs,
    workers,
    runs: client.finished.size,
    ended: Object.fromEntries([...new Set(statuses)].map((is) => [is, statuses.filter((one) => one === is).length])),
    triggers: client.triggers,
    acknowledged: seen.acknowledged,
    callsRepeated: client.retries,
    effects: seen.effects,
    effectsRepeated: seen.repeats,
    crashesCounted: seen.crashes,
    faults: Object.values(counted).reduce((sum, count) => sum + count, 0),
    faultsByKind: counted,
    drainsCut: toll.drainsCut,
    takeoverMs: spread(toll.takeovers),
    databaseBackMs: spread(toll.returns),
    settledMs: spread(settled),
    // of the supervisor: how busy this machine was
    lagMs: { p99: Math.round(lag.percentile(99) / 1e6), max: Math.round(lag.max / 1e6) },
    quotasMissed: missed,
    violations: rig.violations.length
  }
}

/** A minute: faults under load, then rest, then every check. */
const minute = async (ground: Ground, client: Client, number: number): Promise<number> => {
  const { rig } = ground
  const failed = (error: unknown) => rig.report("harness", error instanceof Error ? `${error.stack}` : String(error))
  await Promise.all([
    client.load({ perSecond, until: performance.now() + faultyMs, failed }),
    suffer(
      ground,
      plan.filter((fault) => fault.minute === number)
    )
  ])
  for (const worker of rig.workers) await worker.untilReady()
  const took = await settle(rig, client)
  rig.say(`minute ${number + 1}: settled within ${Math.round(took)} ms; ${client.finished.size} runs have ended`)
  await checkInvariants(rig)
  rig.say(`minute ${number + 1}: checked`)
  return took
}

const soak = async (rig: Rig): Promise<number> => {
  const client = new Client(rig, new Dice(seed + 1))
  const toll = new Toll()
  const reference = await crashFree(rig, client)
  rig.say(`${reference.size} runs without a fault have ended`)
  const settled: Array<number> = []
  for (let number = 0; number < minutes; number++) {
    settled.push(await minute({ rig, toll }, client, number))
    client.wake()
  }
  await settle(rig, client)
  await checkInvariants(rig)
  const seen = await checkEndToEnd(rig, client, reference, rig.killed)
  const figures = figuresOf({ rig, client, toll, reference, settled, seen })
  for (const quota of figures.quotasMissed) rig.say(`quota missed: ${quota}`)
  console.log(JSON.stringify(figures))
  if (figures.violations > 0) return exits.violation
  return figures.quotasMissed.length > 0 ? exits.quotaMissed : exits.fine
}

const run = async (): Promise<number> => {
  const rig = await Rig.open({ leaseMs, workers })
  try {
    const code = await soak(rig)
    await rig.close()
    if (code === 0 && !given.keep) rmSync(rig.folder, { recursive: true, force: true })
    else rig.say(`ledger, acknowledgements, logs and dumps are kept in ${rig.folder}`)
    return code
  } catch (error) {
    rig.say(`the soak itself failed; what there is, is kept in ${rig.folder}`)
    await rig.close()
    throw error
  }
}

if (given.plan) {
  for (const fault of plan) console.log(JSON.stringify(fault))
  process.exit(0)
}
process.exit(await run())
