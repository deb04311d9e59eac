import * as Effect from "effect/Effect"
import type { Query } from "../../src/postgres/Connection.js"
import { explore } from "../../src/testing/Explore.js"
import type { Mode } from "../../src/testing/Points.js"
import type { Subject } from "../../src/testing/Subject.js"
import type { TestDatabase } from "../../src/testing/TestDatabase.js"
import { corpus } from "./corpus/index.js"

/** A way to break the engine that must not go unnoticed. */
export interface Mutation {
  readonly name: string
  /** Whether it is noticed soon enough for every run of the tests; all are tried by `npm run explore -- --mutations`. */
  readonly quick?: boolean
  /** What is explored, in which modes. */
  readonly subjects: ReadonlyArray<string>
  readonly modes: ReadonlyArray<Mode>
  readonly names?: RegExp
  readonly workers?: number
  readonly rewrite?: (query: Query) => Query
  readonly mutate?: Subject["mutate"]
}

let replacements = 0

/** A prepared statement's name stands for one text, so each replacement has names of its own. */
const replacing = (name: RegExp, from: string | RegExp, to: string) => {
  const suffix = `mutated${++replacements}`
  return (query: Query): Query =>
    name.test(query.name) ? { ...query, name: `${query.name}.${suffix}`, text: query.text.replace(from, to) } : query
}

/** V3: each of these takes away one thing that the guarantees stand on. */
export const mutations: ReadonlyArray<Mutation> = [
  {
    name: "no fence: a claim keeps the number of the right to a run",
    quick: true,
    subjects: ["chain"],
    modes: ["awakened"],
    names: /^runs: /,
    rewrite: replacing(/claim\.(ready|due|orphaned|named|own)$/, "fence = r.fence + 1", "fence = greatest(r.fence, 1)")
  },
  {
    name: "no commit number: what was committed is committed again",
    quick: true,
    subjects: ["chain"],
    modes: ["lost"],
    names: /^runs: /,
    rewrite: replacing(/runs\.write(All)?$/, " and r.version = c.version - 1", ""),
    mutate: (store) => ({
      ...store,
      check: (commits, options) =>
        Effect.map(store.check(commits, options), (checks) =>
          checks.map((check) => (check === "Applied" ? "Ready" : check))
        )
    })
  },
  {
    name: "no idempotent insert of a start",
    subjects: ["chain"],
    modes: ["lost", "after"],
    names: /^start: /,
    rewrite: replacing(/start\.insert$/, "on conflict (run_id) do nothing", "")
  },
  {
    name: "no idempotent insert of an input",
    subjects: ["suspend"],
    modes: [],
    rewrite: replacing(/deliver\.insert$/, "on conflict do nothing", "")
  },
  {
    name: "no claim condition: a run is taken from a worker that lives",
    subjects: ["long"],
    workers: 2,
    modes: [],
    rewrite: replacing(
      /claim\.(orphaned|named)$/,
      /not exists \(select from \S+workers w where/g,
      'true or not exists (select from "perdure".workers w where'
    )
  },
  {
    name: "no crash count",
    quick: true,
    subjects: ["chain"],
    modes: ["before"],
    names: /^handler /,
    rewrite: replacing(/open\.crashedRowless$/, "f.attempt, 1, f.inputs", "f.attempt, 0, f.inputs")
  }
]

/** Explores with a mutated engine until something is noticed; gives what, or nothing. */
export const runMutation = async (
  mutation: Mutation,
  database: TestDatabase,
  seed: number
): Promise<string | undefined> => {
  let noticed: string | undefined
  for (const subject of corpus(seed).filter(({ name }) => mutation.subjects.includes(name))) {
    if (noticed !== undefined) break
    await explore({
      subject: {
        ...subject,
        ...(mutation.mutate === undefined ? {} : { mutate: mutation.mutate }),
        ...(mutation.workers === undefined ? {} : { workers: mutation.workers })
      },
      database,
      seed,
      modes: mutation.modes,
      goOn: () => noticed === undefined,
      onFailure: ({ violations: [first] }) => {
        noticed ??= `${first?.name}: ${first?.detail}`.slice(0, 200)
      },
      ...(mutation.names === undefined ? {} : { names: mutation.names }),
      ...(mutation.rewrite === undefined ? {} : { rewrite: mutation.rewrite })
    })
  }
  return noticed
}
