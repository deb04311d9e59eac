import type pg from "pg"

/** A pool that a process borrows: when the process is dead, its clients go, and so does what it still waited for. */
export interface LentPool {
  readonly pool: pg.Pool
  readonly takeBack: () => void
}

/** Lends a pool. A fiber that never runs again gives no client back, as a process that is gone. */
export const lend = (pool: pg.Pool): LentPool => {
  const out = new Set<pg.PoolClient>()
  let dead = false

  const connect = (callback: Parameters<pg.Pool["connect"]>[0]) =>
    pool.connect((cause, client, done) => {
      if (client === undefined) return callback(cause, client, done)
      if (dead) return client.release(true)
      const release = client.release
      client.release = (destroy) => {
        out.delete(client)
        release.call(client, destroy)
      }
      out.add(client)
      callback(cause, client, done)
    })

  return {
    pool: new Proxy(pool, {
      get: (target, key) => {
        if (key === "connect") return connect
        const member: unknown = Reflect.get(target, key)
        return typeof member === "function" ? member.bind(target) : member
      }
    }),
    takeBack: () => {
      dead = true
      for (const client of [...out]) client.release(true)
    }
  }
}
