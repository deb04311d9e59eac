/** The first 32 bits of the fractional parts of the n-th roots of the first primes, as FIPS 180-4 defines its constants. */
const rootsOfPrimes = (count: number, root: (prime: number) => number): Uint32Array => {
  const words = new Uint32Array(count)
  for (let candidate = 2, found = 0; found < count; candidate++) {
    if (isPrime(candidate)) words[found++] = (root(candidate) % 1) * 2 ** 32
  }
  return words
}

const isPrime = (candidate: number): boolean => {
  for (let divisor = 2; divisor * divisor <= candidate; divisor++) if (candidate % divisor === 0) return false
  return true
}

const initial = rootsOfPrimes(8, Math.sqrt)
const constants = rootsOfPrimes(64, Math.cbrt)

/** The SHA-256 of a text in UTF-8, in hexadecimal, in plain JavaScript. */
export const plainSha256 = (text: string): string => {
  const blocks = pad(new TextEncoder().encode(text))
  const state = initial.slice()
  for (let offset = 0; offset < blocks.byteLength; offset += 64) compress(state, blocks, offset)
  return [...state].map((word) => word.toString(16).padStart(8, "0")).join("")
}

/** Node's own, where there is Node: asked for and not imported, so that a page is bundled without it. */
const crypto = globalThis.process?.getBuiltinModule?.("crypto")

/**
 * The SHA-256 of a text in UTF-8, in hexadecimal.
 *
 * **When to use** Where a definition is hashed: at once, and in a browser, which has no such function that answers at once, with the
 * same result.
 *
 * **Details** By Node where it can be: the graph of 505 nodes takes a starting process 30 ms in JavaScript that is not compiled yet.
 */
export const sha256 = (text: string): string =>
  crypto === undefined ? plainSha256(text) : crypto.createHash("sha256").update(text, "utf8").digest("hex")

/** Appends a one bit, zeros, and the length in bits: whole blocks of 64 bytes. */
const pad = (bytes: Uint8Array): DataView => {
  const padded = new Uint8Array(Math.ceil((bytes.length + 9) / 64) * 64)
  padded.set(bytes)
  padded[bytes.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setUint32(padded.length - 8, Math.floor(bytes.length / 2 ** 29))
  view.setUint32(padded.length - 4, bytes.length * 8)
  return view
}

const compress = (state: Uint32Array, blocks: DataView, offset: number): void => {
  const w = schedule(blocks, offset)
  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state
  for (let i = 0; i < 64; i++) {
    const sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)
    const t1 = (h + sum1 + ((e & f) ^ (~e & g)) + (constants[i] ?? 0) + (w[i] ?? 0)) | 0
    const sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)
    const t2 = (sum0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
    ;[a, b, c, d, e, f, g, h] = [(t1 + t2) | 0, a, b, c, (d + t1) | 0, e, f, g]
  }
  for (const [i, word] of [a, b, c, d, e, f, g, h].entries()) state[i] = ((state[i] ?? 0) + word) | 0
}

/** The 64 words that a block is stretched to. */
const schedule = (blocks: DataView, offset: number): Uint32Array => {
  const w = new Uint32Array(64)
  const at = (index: number): number => w[index] ?? 0
  for (let i = 0; i < 16; i++) w[i] = blocks.getUint32(offset + i * 4)
  for (let i = 16; i < 64; i++) {
    const s0 = rotate(at(i - 15), 7) ^ rotate(at(i - 15), 18) ^ (at(i - 15) >>> 3)
    const s1 = rotate(at(i - 2), 17) ^ rotate(at(i - 2), 19) ^ (at(i - 2) >>> 10)
    w[i] = at(i - 16) + s0 + at(i - 7) + s1
  }
  return w
}

const rotate = (word: number, by: number): number => (word >>> by) | (word << (32 - by))
