import * as SqlClient from "@effect/sql/SqlClient"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, Layer, type Redacted, Schema } from "effect"
import { Node, Perdure, Step, Workflow } from "perdure"

const { Number: N, String: S } = Schema

const Book = Node.make("book", { inputs: { account: S, amount: N }, outputs: { balance: N } })

/** One booking, exactly once, in the application's own table. */
export const Booking = Workflow.make("booking", { version: 1, input: { account: S, amount: N } })
  .node("book", Book, ({ input }) => ({ account: input.account, amount: input.amount }))
  .output(({ book }) => ({ balance: book.balance }))

const BookHandler = Book.toLayer(
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const decode = Schema.decodeUnknownSync(Schema.Tuple(Schema.Struct({ balance: N })))
    return ({ account, amount }) =>
      Step.transaction(
        "book",
        { success: N },
        sql,
        Effect.map(
          sql`insert into balances (account, balance) values (${account}, ${amount})
            on conflict (account) do update set balance = balances.balance + excluded.balance
            returning balance`,
          (rows) => decode(rows)[0].balance
        )
      ).pipe(Effect.map((balance) => ({ balance })))
  })
)

const tables = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`create table if not exists balances (account text primary key, balance float8 not null)`
)

/** The application on one database: its client, its table, the engine and the workflow. */
export const layer = (url: Redacted.Redacted) => {
  const client = PgClient.layer({ url })
  const workflow = Booking.layer.pipe(Layer.provide(BookHandler), Layer.provide(Layer.effectDiscard(tables)))
  return workflow.pipe(
    Layer.provideMerge(Perdure.layerEngine()),
    Layer.provide(Perdure.layerPostgres({ url })),
    Layer.provideMerge(client)
  )
}
