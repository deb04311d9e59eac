import type { SizeName } from "./arguments.js"

/** How much of each work is done. */
export interface Sizes {
  readonly rounds: number
  readonly floorSeconds: number
  readonly chain: { readonly runs: number; readonly atOnce: number; readonly warmUp: number }
  readonly fan: { readonly runs: number; readonly atOnce: number }
  readonly lone: number
  readonly resume: { readonly runs: number; readonly histories: ReadonlyArray<number> }
  readonly wait: { readonly runs: number; readonly callers: number; readonly settleMs: number }
  readonly start: { readonly runs: number; readonly callers: number }
  /** Ended runs, and as many suspended ones. */
  readonly fill: number
}

export const sizes: Readonly<Record<SizeName, Sizes>> = {
  full: {
    rounds: 3,
    floorSeconds: 5,
    chain: { runs: 20_000, atOnce: 200, warmUp: 2_000 },
    fan: { runs: 1_000, atOnce: 20 },
    lone: 300,
    resume: { runs: 200, histories: [10, 100, 500] },
    wait: { runs: 2_000, callers: 100, settleMs: 10_000 },
    start: { runs: 10_000, callers: 50 },
    fill: 100_000
  },
  quick: {
    rounds: 3,
    floorSeconds: 2,
    chain: { runs: 3_000, atOnce: 200, warmUp: 1_000 },
    fan: { runs: 100, atOnce: 20 },
    lone: 100,
    resume: { runs: 50, histories: [10, 100, 500] },
    wait: { runs: 200, callers: 100, settleMs: 5_000 },
    start: { runs: 1_000, callers: 50 },
    fill: 2_000
  },
  tiny: {
    rounds: 1,
    floorSeconds: 0.2,
    chain: { runs: 20, atOnce: 10, warmUp: 5 },
    fan: { runs: 3, atOnce: 2 },
    lone: 5,
    resume: { runs: 5, histories: [3, 12] },
    wait: { runs: 10, callers: 5, settleMs: 500 },
    start: { runs: 20, callers: 5 },
    fill: 10
  }
}
