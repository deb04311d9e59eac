import pg from "pg"

/** What the server has done so far; rows of Perdure's audit log are counted for themselves. */
export interface Counters {
  readonly transactions: number
  readonly rowWrites: number
  readonly auditRows: number
  readonly walBytes: number
}

const text = `
  select
    (select xact_commit from pg_stat_database where datname = current_database())::float8 as transactions,
    (
      select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) from pg_stat_user_tables where relname <> 'run_events'
    )::float8 as "rowWrites",
    (
      select coalesce(sum(n_tup_ins), 0) from pg_stat_user_tables where relname = 'run_events'
    )::float8 as "auditRows",
    (pg_current_wal_lsn() - '0/0')::float8 as "walBytes"`

/** A busy session hands in what it counted once a second, one that has gone idle ten seconds after its last report. */
const reportMs = 10_500

/** Reads the counters after every session has had the time to hand in its own. */
export const readCounters = async (url: string): Promise<Counters> => {
  await new Promise((resolve) => setTimeout(resolve, reportMs))
  const client = new pg.Client(url)
  await client.connect()
  const { rows } = await client.query<Counters>(text)
  await client.end()
  return rows[0]!
}

/** What happened between two readings. */
export const difference = (before: Counters, after: Counters): Counters => ({
  transactions: after.transactions - before.transactions,
  rowWrites: after.rowWrites - before.rowWrites,
  auditRows: after.auditRows - before.auditRows,
  walBytes: after.walBytes - before.walBytes
})
