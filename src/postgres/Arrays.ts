/**
 * Arrays as parameters, in PostgreSQL's binary format: one pass over the values and no quoting.
 *
 * **Details** The driver sends a Buffer as a binary parameter; the statement says the type, as in `$1::text[]`.
 */

const headerBytes = 20
const emptyBytes = 12

/** What makes an element of one type. */
interface ElementType<A> {
  readonly oid: number
  readonly bytes: (value: A) => number
  readonly write: (target: Buffer, value: A, offset: number) => void
}

const encode = <A>(type: ElementType<A>, values: ReadonlyArray<A | null>): Buffer => {
  if (values.length === 0) return header(Buffer.allocUnsafe(emptyBytes), 0, 0, type.oid)
  const sizes = new Int32Array(values.length)
  let total = headerBytes
  let nulls = 0
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (value === null || value === undefined) {
      sizes[i] = -1
      nulls = 1
    } else {
      const size = type.bytes(value)
      sizes[i] = size
      total += size
    }
    total += 4
  }
  const target = header(Buffer.allocUnsafe(total), 1, nulls, type.oid)
  target.writeInt32BE(values.length, 12)
  target.writeInt32BE(1, 16)
  let offset = headerBytes
  for (let i = 0; i < values.length; i++) {
    const size = sizes[i] ?? -1
    target.writeInt32BE(size, offset)
    offset += 4
    const value = values[i]
    if (value === null || value === undefined) continue
    type.write(target, value, offset)
    offset += size
  }
  return target
}

const header = (target: Buffer, dimensions: number, nulls: number, oid: number): Buffer => {
  target.writeInt32BE(dimensions, 0)
  target.writeInt32BE(nulls, 4)
  target.writeInt32BE(oid, 8)
  return target
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
export const textArray = (values: ReadonlyArray<string | null>): Buffer => encode(text, values)
/** `int4[]`. */
export const int4Array = (values: ReadonlyArray<number | null>): Buffer => encode(int4, values)
/** `int8[]`, from decimal text. */
export const int8Array = (values: ReadonlyArray<string | null>): Buffer => encode(int8, values)
/** `float8[]`. */
export const float8Array = (values: ReadonlyArray<number | null>): Buffer => encode(float8, values)
/** `bool[]`. */
export const boolArray = (values: ReadonlyArray<boolean | null>): Buffer => encode(bool, values)
