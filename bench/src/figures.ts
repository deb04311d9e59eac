/** What one round of a work gave. */
export type Figures = Readonly<Record<string, number>>

const rounded = (value: number): number => {
  const digits = Math.abs(value) >= 100 ? 0 : 2
  return Number(value.toFixed(digits))
}

const sorted = (values: ReadonlyArray<number>): ReadonlyArray<number> => [...values].sort((a, b) => a - b)

/** The value below which this share of all lies. */
export const percentile = (values: ReadonlyArray<number>, share: number): number => {
  const ordered = sorted(values)
  return ordered[Math.min(ordered.length - 1, Math.floor(ordered.length * share))]!
}

export const median = (values: ReadonlyArray<number>): number => percentile(values, 0.5)

/** The median of each figure, and of each all rounds. */
export const summary = (
  rounds: ReadonlyArray<Figures>
): { readonly [name: string]: number | Readonly<Record<string, ReadonlyArray<number>>> } => {
  const names = Object.keys(rounds[0] ?? {})
  const valuesOf = (name: string) => rounds.map((round) => rounded(round[name]!))
  return {
    ...Object.fromEntries(names.map((name) => [name, rounded(median(valuesOf(name)))])),
    rounds: Object.fromEntries(names.map((name) => [name, valuesOf(name)]))
  }
}
