import { expect, test } from "tstyche"

test("the compiler settings that the types of Perdure rely on are on", () => {
  const values: ReadonlyArray<string> = []
  // noUncheckedIndexedAccess
  expect(values[0]).type.toBe<string | undefined>()
  // exactOptionalPropertyTypes
  expect<{ readonly a?: string }>().type.not.toBeAssignableFrom<{ readonly a: undefined }>()
})
