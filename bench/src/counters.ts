import pg from "pg"

/** What the server has done so far. */
export interface Counters {
  readonly transactions: number
  readonly rowWrites: number
  readonly walBytes: number
}

const text = `
  select
    (select xact_commit from pg_stat_database where datname = current_database())::float8 as transactions,
    (
      select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) from pg_stat_user_tables where relname <> 'run_events'
    )::float8 as "rowWrites",
    (pg_current_wal_lsn() - '0/0')::float8 as "walBytes"`

/** Reads the counters when every session has handed in what it counted. */
export const readCounters = async (url: string): Promise<Counters> => {
  const client = new pg.Client(url)
  await client.connect()
  let seen = JSON.stringify({})
  for (;;) {
    const { rows } = await client.query<Counters>(text)
    const now = JSON.stringify(rows[0])
    // Sessions report about once a second; two equal readings further apart than that say that all have.
    if (now === seen) {
      await client.end()
      return rows[0]!
    }
    seen = now
    await new Promise((resolve) => setTimeout(resolve, 1_500))
  }
}

/** What happened between two readings. */
export const difference = (before: Counters, after: Counters): Counters => ({
  transactions: after.transactions - before.transactions,
  rowWrites: after.rowWrites - before.rowWrites,
  walBytes: after.walBytes - before.walBytes
})
