import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { type DatabaseError, UndecodableRow } from "../model/Errors.js"
import type { RunId } from "../model/Ids.js"
import { fromJsonText } from "../model/Json.js"
import type { Content, MessageRow } from "../model/Message.js"
import type { RunCommit } from "../model/Run.js"
import type { TombstoneCause } from "../model/Status.js"
import { Inbox, type InboxMessage, type PendingMessages, type PendingRange } from "../store/Inbox.js"
import type { RawRow, Transaction, Write, Writes } from "../store/Transactor.js"
import { boolColumn, columnsOf, int4Column, textColumn } from "./Arrays.js"
import { writesOf } from "./Chunks.js"
import { makeCleanup } from "./Cleanup.js"
import { run, write } from "./Execution.js"
import { decodeAll, decodeMessage, decodePosition } from "./Rows.js"
import { defaultSchema, qualifier, type SchemaName, statementsOf } from "./Statement.js"

const key = ["run_id", "node_id", "handle", "producer", "firing", "ordinal"]

const inboxStatements = (schema: SchemaName) => {
  const statement = statementsOf(schema)
  const s = qualifier(schema)
  const edge = "m.run_id = $1 and m.node_id = $2 and m.handle = $3"
  return {
    append: statement(
      "inbox.append",
      `
      insert into ${s}.run_inbox_messages (
        run_id, node_id, handle, producer, firing, ordinal, payload, tombstone, discarded
      )
      select * from unnest(
        $1::text[], $2::text[], $3::text[], $4::text[], $5::int4[], $6::int4[], $7::text[], $8::text[], $9::bool[]
      )
      on conflict do nothing`
    ),
    discard: statement(
      "inbox.discard",
      `
      update ${s}.run_inbox_messages m set discarded = true
      from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int4[], $6::int4[])
        c(run_id, node_id, handle, producer, firing, ordinal)
      where (${key.map((column) => `m.${column}`).join(", ")}) = (${key.map((column) => `c.${column}`).join(", ")})`
    ),
    discardFrom: statement(
      "inbox.discardFrom",
      `
      update ${s}.run_inbox_messages m set discarded = true
      from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int4[], $6::int4[])
        c(run_id, node_id, handle, producer, firing, ordinal)
      where m.run_id = c.run_id and m.node_id = c.node_id and m.handle = c.handle and m.producer = c.producer
        and (m.firing, m.ordinal) >= (c.firing, c.ordinal) and not m.discarded`
    ),
    pending: statement(
      "inbox.pending",
      `
      select
        f.run_id as "runId", f.node_id as "nodeId", f.handle, f.producer, f.firing, f.ordinal, f.payload, f.tombstone,
        f.discarded
      from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int4[], $6::int4[])
        with ordinality c(run_id, node_id, handle, producer, firing, ordinal, place)
      cross join lateral (
        select * from ${s}.run_inbox_messages m
        where m.run_id = c.run_id and m.node_id = c.node_id and m.handle = c.handle and m.producer = c.producer
          and (m.firing, m.ordinal) >= (c.firing, c.ordinal)
        order by m.firing, m.ordinal limit $7
      ) f
      order by c.place, f.firing, f.ordinal`
    ),
    highest: statement(
      "inbox.highest",
      `
      with recursive top as (
        (
          select m.producer, m.firing, m.ordinal from ${s}.run_inbox_messages m where ${edge}
          order by m.producer desc, m.firing desc, m.ordinal desc limit 1
        )
        union all
        select n.* from top cross join lateral (
          select m.producer, m.firing, m.ordinal from ${s}.run_inbox_messages m
          where ${edge} and m.producer < top.producer
          order by m.producer desc, m.firing desc, m.ordinal desc limit 1
        ) n
      )
      select * from top order by producer`
    )
  }
}

interface MessageToAppend {
  readonly runId: RunId
  readonly message: MessageRow
}

type Discarded = RunCommit["discarded"][number]

const payloadSize = ({ message: { content } }: MessageToAppend): number =>
  content._tag === "Live" ? content.text.length : 0

const appended = columnsOf<MessageToAppend>(
  textColumn((row) => row.runId),
  textColumn((row) => row.message.nodeId),
  textColumn((row) => row.message.handle),
  textColumn((row) => row.message.producer),
  int4Column((row) => row.message.firing),
  int4Column((row) => row.message.ordinal),
  textColumn(({ message: { content } }) => (content._tag === "Live" ? content.text : null)),
  textColumn(({ message: { content } }) => (content._tag === "Tombstone" ? content.cause : null)),
  boolColumn((row) => row.message.discarded)
)

const positions = columnsOf<{ readonly runId: RunId; readonly at: Discarded }>(
  textColumn((row) => row.runId),
  textColumn((row) => row.at.nodeId),
  textColumn((row) => row.at.handle),
  textColumn((row) => row.at.producer),
  int4Column((row) => row.at.firing),
  int4Column((row) => row.at.ordinal)
)

const messagesOf = (commits: ReadonlyArray<RunCommit>): ReadonlyArray<MessageToAppend> => {
  const messages: Array<MessageToAppend> = []
  for (const commit of commits) for (const message of commit.messages) messages.push({ runId: commit.runId, message })
  return messages
}

const discards = ({ discarded, unread }: RunCommit): boolean => discarded.length > 0 || unread !== undefined

const makeWrites = (schema: SchemaName) => {
  const statements = inboxStatements(schema)

  const appendRows = (rows: ReadonlyArray<MessageToAppend>) => write(statements.append, appended(rows))

  const append = (commits: ReadonlyArray<RunCommit>): Writes => writesOf(messagesOf(commits), payloadSize, appendRows)

  const discard = (commits: ReadonlyArray<RunCommit>): Writes => {
    const writes: Array<Write> = []
    if (!commits.some(discards)) return writes
    const rows = commits.flatMap(({ discarded, runId }) => discarded.map((at) => ({ runId, at })))
    const ranges = commits.flatMap(({ runId, unread = [] }) => unread.map((at) => ({ runId, at })))
    if (rows.length > 0) writes.push(write(statements.discard, positions(rows)))
    if (ranges.length > 0) writes.push(write(statements.discardFrom, positions(ranges)))
    return writes
  }

  return { append, discard }
}

/** A message as its row says: the table's CHECK admits a payload or a tombstone. */
interface StoredMessage extends Omit<InboxMessage, "content"> {
  readonly payload: string | null
  readonly tombstone: TombstoneCause | null
}

const toMessage = (stored: StoredMessage): Either.Either<InboxMessage, UndecodableRow> => {
  const { discarded, firing, handle, nodeId, ordinal, producer, runId } = stored
  const content = contentOf(stored.payload, stored.tombstone)
  if (Either.isRight(content)) {
    return Either.right({ runId, nodeId, handle, producer, firing, ordinal, discarded, content: content.right })
  }
  const key = [runId, nodeId, handle, producer, firing, ordinal].join("/")
  return Either.left(new UndecodableRow({ table: "run_inbox_messages", key, reason: content.left }))
}

const contentOf = (text: string | null, cause: TombstoneCause | null): Either.Either<Content, string> => {
  if (text === null) {
    return cause === null
      ? Either.left("neither a payload nor a tombstone")
      : Either.right({ _tag: "Tombstone", cause })
  }
  const read = fromJsonText(text)
  if (Either.isRight(read)) return Either.right({ _tag: "Live", text, value: read.right })
  const { message, path } = read.left
  return Either.left(`payload${path.map((part) => `.${part}`).join("")}: ${message}`)
}

const readMessage = (row: RawRow): Either.Either<InboxMessage, UndecodableRow> =>
  Either.flatMap(decodeMessage(row), toMessage)

/** Sorts messages from the runs that have one which can't be read. */
const collect = (ranges: ReadonlyArray<PendingRange>, rows: ReadonlyArray<RawRow>): PendingMessages => {
  const runIds = new Map<unknown, RunId>()
  for (const { runId } of ranges) runIds.set(runId, runId)
  const errors = new Map<RunId, UndecodableRow>()
  const messages: Array<InboxMessage> = []
  for (const row of rows) {
    const message = readMessage(row)
    const runId = runIds.get(row["runId"])
    if (Either.isRight(message)) messages.push(message.right)
    else if (runId !== undefined && !errors.has(runId)) errors.set(runId, message.left)
  }
  return {
    messages: errors.size === 0 ? messages : messages.filter((message) => !errors.has(message.runId)),
    undecodable: [...errors].map(([runId, error]) => ({ runId, error }))
  }
}

const pendingColumns = columnsOf<PendingRange>(
  textColumn((range) => range.runId),
  textColumn((range) => range.nodeId),
  textColumn((range) => range.handle),
  textColumn((range) => range.producer),
  int4Column((range) => range.from.firing),
  int4Column((range) => range.from.ordinal)
)

const makeReads = (schema: SchemaName) => {
  const statements = inboxStatements(schema)

  const pending = (
    ranges: ReadonlyArray<PendingRange>,
    limit?: number
  ): Effect.Effect<PendingMessages, DatabaseError, Transaction> =>
    ranges.length === 0
      ? Effect.succeed({ messages: [], undecodable: [] })
      : Effect.map(run(statements.pending, [...pendingColumns(ranges), limit ?? null]), (rows) => collect(ranges, rows))

  const highest = (runId: RunId, nodeId: string, handle: string) =>
    Effect.flatMap(run(statements.highest, [runId, nodeId, handle]), (rows) => decodeAll(decodePosition, rows))

  return { pending, highest }
}

/** The messages on the edges, in PostgreSQL. */
export const layer = (schema: SchemaName = defaultSchema): Layer.Layer<Inbox> =>
  Layer.sync(Inbox, () => ({
    ...makeWrites(schema),
    ...makeReads(schema),
    cleanup: makeCleanup(schema, { table: "run_inbox_messages", key, where: "" })
  }))
