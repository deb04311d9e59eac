import type { NodeDefinition } from "./NodeDefinition.js"
import type { Signal } from "./Signal.js"

/** Whether two definitions of one name are the same signal: what they carry has one form, wherever it was written down. */
export const isSameSignal = (a: Signal, b: Signal): boolean =>
  a.payload === b.payload || String(a.payload.ast) === String(b.payload.ast)

/** The signal of a name that a node lists. */
export const listedSignal = (node: NodeDefinition | undefined, name: string): Signal | undefined =>
  node?.signals?.find((signal) => signal.name === name)

/** What is wrong with signals of one name: within a workflow a name means one signal. */
export const signalClashes = (
  steps: ReadonlyArray<{ readonly id: string; readonly node: NodeDefinition }>
): ReadonlyArray<string> => {
  const known = new Map<string, { readonly signal: Signal; readonly id: string }>()
  const clashes = new Set<string>()
  for (const { id, node } of steps) {
    for (const signal of node.signals ?? []) {
      const first = known.get(signal.name)
      if (first === undefined) known.set(signal.name, { signal, id })
      else if (!isSameSignal(first.signal, signal)) {
        const where = first.id === id ? `node "${id}" lists` : `nodes "${first.id}" and "${id}" list`
        clashes.add(`${where} two different signals named "${signal.name}"`)
      }
    }
  }
  return [...clashes]
}
