const headerBytes = 20
const emptyBytes = 12

/** What makes an element of one type. */
interface ElementType<A> {
  readonly oid: number
  bytes(value: A): number
  write(target: Buffer, value: A, offset: number): void
}

/**
 * An array as a parameter, in PostgreSQL's binary format: no quoting.
 *
 * **Details** A batch has it written where it is sent from; the driver asks it for a Buffer (`toPostgres`) and sends that in binary.
 * The statement says the type, as in `$1::text[]`.
 */
export class ArrayParameter<A = unknown> {
  // Not an Int32Array: each is two objects of 100 bytes and more, a third of what a lone commit left in the old generation.
  private sizes: ReadonlyArray<number> | undefined
  private total = emptyBytes
  private nulls = 0

  constructor(
    private readonly type: ElementType<A>,
    private readonly values: ReadonlyArray<A | null>
  ) {}

  /** How many bytes it takes. */
  get byteLength(): number {
    if (this.sizes === undefined) this.measure()
    return this.total
  }

  /** Writes it, where there is room for it. */
  writeTo(target: Buffer, at: number): void {
    const { type, values } = this
    const sizes = this.sizes ?? this.measure()
    target.writeInt32BE(values.length === 0 ? 0 : 1, at)
    target.writeInt32BE(this.nulls, at + 4)
    target.writeInt32BE(type.oid, at + 8)
    if (values.length === 0) return
    target.writeInt32BE(values.length, at + 12)
    target.writeInt32BE(1, at + 16)
    let offset = at + headerBytes
    for (let i = 0; i < values.length; i++) {
      const size = sizes[i]!
      offset = target.writeInt32BE(size, offset)
      if (size === -1) continue
      type.write(target, values[i]!, offset)
      offset += size
    }
  }

  private measure(): ReadonlyArray<number> {
    const { type, values } = this
    // As long as it will be: an array that grows takes room for 17 numbers with its first.
    const sizes = new Array<number>(values.length)
    if (values.length > 0) this.total = headerBytes
    for (let i = 0; i < values.length; i++) {
      const value = values[i]
      const isNull = value === null || value === undefined
      const size = isNull ? -1 : type.bytes(value)
      sizes[i] = size
      if (isNull) this.nulls = 1
      this.total += isNull ? 4 : 4 + size
    }
    this.sizes = sizes
    return sizes
  }

  /** What the driver sends where there is no batch. */
  toPostgres(): Buffer {
    const bytes = Buffer.allocUnsafe(this.byteLength)
    this.writeTo(bytes, 0)
    return bytes
  }
}

const text: ElementType<string> = {
  oid: 25,
  bytes: (value) => Buffer.byteLength(value, "utf8"),
  write: (target, value, offset) => target.write(value, offset, "utf8")
}
const int4: ElementType<number> = {
  oid: 23,
  bytes: () => 4,
  write: (target, value, offset) => target.writeInt32BE(value, offset)
}
const int8: ElementType<string> = {
  oid: 20,
  bytes: () => 8,
  write: (target, value, offset) => target.writeBigInt64BE(BigInt(value), offset)
}
const float8: ElementType<number> = {
  oid: 701,
  bytes: () => 8,
  write: (target, value, offset) => target.writeDoubleBE(value, offset)
}
const bool: ElementType<boolean> = {
  oid: 16,
  bytes: () => 1,
  write: (target, value, offset) => target.writeUInt8(value ? 1 : 0, offset)
}

/** `text[]`. */
export const textArray = (values: ReadonlyArray<string | null>): ArrayParameter => new ArrayParameter(text, values)
/** `int4[]`. */
export const int4Array = (values: ReadonlyArray<number | null>): ArrayParameter => new ArrayParameter(int4, values)
/** `int8[]`, from decimal text. */
export const int8Array = (values: ReadonlyArray<string | null>): ArrayParameter => new ArrayParameter(int8, values)
/** `float8[]`. */
export const float8Array = (values: ReadonlyArray<number | null>): ArrayParameter => new ArrayParameter(float8, values)
/** `bool[]`. */
export const boolArray = (values: ReadonlyArray<boolean | null>): ArrayParameter => new ArrayParameter(bool, values)

/** How rows become one array. */
export type Column<Row> = (rows: ReadonlyArray<Row>) => ArrayParameter

const columnWith =
  <A>(array: (values: ReadonlyArray<A>) => ArrayParameter) =>
  <Row>(value: (row: Row) => A): Column<Row> =>
  (rows) =>
    array(rows.map(value))

/** A column of `text[]`. */
export const textColumn = columnWith(textArray)
/** A column of `int4[]`. */
export const int4Column = columnWith(int4Array)
/** A column of `int8[]`. */
export const int8Column = columnWith(int8Array)
/** A column of `float8[]`. */
export const float8Column = columnWith(float8Array)
/** A column of `bool[]`. */
export const boolColumn = columnWith(boolArray)

/**
 * The arrays of a statement that takes many rows at once, column by column; made once for each statement.
 *
 * **Details** What V8 has compiled for a function lives no longer than the functions made of that text: for one that is made
 * for each batch, until the next full collection. 2,000 wakes of W5 (`npm run bench`) after one compiled 69 to 79 functions anew,
 * and 31 to 43 since the hot ones are made once (`--trace-opt`).
 *
 * @example
 * const columns = columnsOf<{ readonly runId: string; readonly version: number }>(
 *   textColumn((row) => row.runId),
 *   int4Column((row) => row.version)
 * )
 */
export const columnsOf =
  <Row>(...columns: ReadonlyArray<Column<Row>>) =>
  (rows: ReadonlyArray<Row>): Array<ArrayParameter> => {
    const arrays: Array<ArrayParameter> = []
    for (const column of columns) arrays.push(column(rows))
    return arrays
  }
