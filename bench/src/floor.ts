import pg from "pg"

/** One way of committing a step by hand, at one number of connections. */
export interface Floor {
  readonly work: "two statements" | "one statement" | "bulk"
  readonly connections: number
  readonly perSecond: number
}

const tables = `
  create schema floor;
  create table floor.run (run_id text primary key, version integer not null) with (fillfactor = 50);
  create table floor.message (run_id text, step integer, payload text not null, primary key (run_id, step));
  insert into floor.run select 'run-' || i, 0 from generate_series(1, 64) i;`

const payload = "x".repeat(1_000)
const update = "update floor.run set version = version + 1 where run_id = $1"
const insert = "insert into floor.message values ($1, $2, $3)"
const both = `with r as (update floor.run set version = version + 1 where run_id = $1)
  insert into floor.message values ($1, $2, $3)`
const bulk = "insert into floor.message select $1, $2::int + i, $3 from generate_series(1, 200) i"

type Step = (client: pg.Client, runId: string, step: number) => Promise<number>

const steps: Record<Floor["work"], Step> = {
  "two statements": async (client, runId, step) => {
    await client.query("begin")
    await client.query({ name: "update", text: update, values: [runId] })
    await client.query({ name: "insert", text: insert, values: [runId, step, payload] })
    await client.query("commit")
    return 1
  },
  "one statement": async (client, runId, step) => {
    await client.query({ name: "both", text: both, values: [runId, step, payload] })
    return 1
  },
  bulk: async (client, runId, step) => {
    await client.query({ name: "bulk", text: bulk, values: [runId, step * 200, payload] })
    return 200
  }
}

/** What a plain script commits per second: one UPDATE of a run's row and one INSERT of 1 kB per transaction. */
export const measureFloor = async (
  url: string,
  work: Floor["work"],
  connections: number,
  seconds: number
): Promise<Floor> => {
  const admin = new pg.Client(url)
  await admin.connect()
  await admin.query("drop schema if exists floor cascade")
  await admin.query(tables)
  const clients = await Promise.all(
    Array.from({ length: connections }, async () => {
      const client = new pg.Client(url)
      await client.connect()
      return client
    })
  )
  const started = performance.now()
  const until = started + seconds * 1_000
  const counts = await Promise.all(
    clients.map(async (client, index) => {
      let done = 0
      for (let step = 1; performance.now() < until; step++) done += await steps[work](client, `run-${index + 1}`, step)
      return done
    })
  )
  const perSecond = counts.reduce((sum, count) => sum + count, 0) / ((performance.now() - started) / 1_000)
  await Promise.all(clients.map((client) => client.end()))
  await admin.query("drop schema floor cascade")
  await admin.end()
  return { work, connections, perSecond: Math.round(perSecond) }
}
