/** Pairs of a point and a mode that no case hits, and why; `*` is anything, `@never` a statement that nothing passed. */
export const gaps: Readonly<Record<string, string>> = {}
