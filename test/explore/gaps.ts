/** Pairs of a point and a mode that no case hits, and why; `*` is anything, `@never` a statement that nothing passed. */
export const gaps: Readonly<Record<string, string>> = {
  "runs: perdure.check.look@*":
    "Asked only about a row that another session has locked: seen on a server, where the explorer stops processes only; the interleavings have it."
}
