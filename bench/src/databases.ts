import pg from "pg"

/** Runs one statement on a server, over a session of its own. */
export const onServer = async (url: string, statement: string): Promise<void> => {
  const client = new pg.Client(url)
  await client.connect()
  await client.query(statement)
  await client.end()
}

/** The URL of another database of a server. */
export const databaseUrl = (server: string, database: string): string => {
  const url = new URL(server)
  url.pathname = `/${database}`
  return url.href
}

/** Makes a database; gives its URL. */
export const createDatabase = async (server: string, database: string): Promise<string> => {
  await onServer(server, `create database ${database}`)
  return databaseUrl(server, database)
}
