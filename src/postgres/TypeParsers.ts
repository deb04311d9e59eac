import type pg from "pg"

/**
 * How columns of the engine's rows are read, whatever parsers the application has set for the driver as a whole.
 *
 * **Details** Numbers for int2, int4 and float8, booleans, parsed JSON; everything else stays text.
 */
export const rowTypes: pg.CustomTypesConfig = {
  getTypeParser: (oid: number) => parsers.get(oid) ?? asText
}

const asText = (value: string): string => value

const parsers = new Map<number, (value: string) => unknown>([
  [16, (value) => value === "t"],
  [21, Number],
  [23, Number],
  [701, Number],
  [114, (value) => JSON.parse(value)],
  [3802, (value) => JSON.parse(value)]
])
