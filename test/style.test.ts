import { readdirSync, readFileSync } from "node:fs"
import { relative } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"
import { describe, expect, it } from "vitest"

const root = fileURLToPath(new URL("..", import.meta.url))
const maxFileLines = 400
const maxFunctionLines = 70

interface Source {
  readonly path: string
  readonly text: string
}

const read = (folders: ReadonlyArray<string>, ending: RegExp): ReadonlyArray<Source> =>
  folders
    .flatMap((folder) => {
      const entries = readdirSync(root, { withFileTypes: true }).some((entry) => entry.name === folder)
        ? readdirSync(`${root}/${folder}`, { recursive: true, withFileTypes: true })
        : []
      return entries.filter((entry) => entry.isFile()).map((entry) => `${entry.parentPath}/${entry.name}`)
    })
    .filter((path) => ending.test(path) && !path.includes("/node_modules/"))
    .sort()
    .map((path) => ({ path: relative(root, path), text: readFileSync(path, "utf8") }))

const sources = read(["src"], /\.ts$/)
const written = read(["src", "test", "examples", "bench", "migrations", ".ci"], /\.(ts|mjs|sql|run)$/)

const parse = ({ path, text }: Source): ts.SourceFile =>
  ts.createSourceFile(path, text, ts.ScriptTarget.Latest, /* setParentNodes */ true)

const descendants = (node: ts.Node): ReadonlyArray<ts.Node> => {
  const found: Array<ts.Node> = []
  const visit = (child: ts.Node) => {
    found.push(child)
    ts.forEachChild(child, visit)
  }
  ts.forEachChild(node, visit)
  return found
}

const lineOf = (file: ts.SourceFile, position: number): number => file.getLineAndCharacterOfPosition(position).line + 1

// --- length -----------------------------------------------------------------------------------------------------

const longFiles = (source: Source): ReadonlyArray<string> => {
  const lines = source.text.replace(/\n$/, "").split("\n").length
  return lines > maxFileLines ? [`${source.path}: ${lines} lines`] : []
}

const hasName = (name: ts.PropertyName | ts.BindingName | undefined): name is ts.Identifier =>
  name !== undefined && (ts.isIdentifier(name) || ts.isStringLiteral(name) || ts.isPrivateIdentifier(name))

/**
 * The name under which a reader finds a function: its own, or that of the variable or property it is assigned to,
 * directly or through `Effect.fn("name")(…)`. A callback has none.
 */
const nameOf = (node: ts.Node): string | undefined => {
  if (!ts.isFunctionLike(node) || !("body" in node) || node.body === undefined) return undefined
  if (ts.isConstructorDeclaration(node)) return "constructor"
  if (ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node) || ts.isAccessor(node)) {
    return node.name?.getText() ?? "default"
  }
  let value: ts.Node = node
  while (ts.isCallExpression(value.parent) && /^Effect\.fn\w*\b/.test(value.parent.expression.getText())) {
    value = value.parent
  }
  const holder = value.parent
  const holds = ts.isVariableDeclaration(holder) || ts.isPropertyAssignment(holder) || ts.isPropertyDeclaration(holder)
  return holds && holder.initializer === value && hasName(holder.name) ? holder.name.getText() : undefined
}

/**
 * The length of a function is the number of lines it spans, without those of the named functions inside it, which are
 * measured on their own. So callbacks (`Effect.gen`, `pipe`, `map`) count where they stand, and the closure of a
 * `make` that holds the verbs of a port is as long as what it does besides holding them.
 */
const longFunctions = (source: Source): ReadonlyArray<string> => {
  const file = parse(source)
  const functions = descendants(file).filter((node) => ts.isFunctionLike(node) && "body" in node)
  const named = new Map(
    functions.flatMap((node) => {
      const name = nameOf(node)
      return name === undefined ? [] : [[node, name] as const]
    })
  )
  const isInFunction = (node: ts.Node): boolean =>
    ts.findAncestor(node.parent, (parent) => functions.includes(parent)) !== undefined
  const linesOf = (node: ts.Node): ReadonlyArray<number> => {
    const first = lineOf(file, node.getStart(file))
    return Array.from({ length: lineOf(file, node.end) - first + 1 }, (_, index) => first + index)
  }
  return functions
    .filter((node) => named.has(node) || !isInFunction(node))
    .flatMap((node) => {
      const elsewhere = new Set(descendants(node).flatMap((inner) => (named.has(inner) ? linesOf(inner) : [])))
      const own = linesOf(node).filter((line) => !elsewhere.has(line)).length
      const name = named.get(node) ?? "a function without a name"
      return own > maxFunctionLines ? [`${source.path}:${linesOf(node)[0]}: ${name} has ${own} lines`] : []
    })
}

// --- names ------------------------------------------------------------------------------------------------------

/** Words that say nothing: what is not live, implemented, a service, managing or useful? */
const emptyWords = new Set(["Live", "Impl", "Service", "Manager", "Utils"])

const words = (name: string): ReadonlyArray<string> => name.match(/[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+/g) ?? []

const exportedNames = (file: ts.SourceFile): ReadonlyArray<string> =>
  file.statements.flatMap((statement) => {
    if (ts.isExportDeclaration(statement) && statement.exportClause && ts.isNamedExports(statement.exportClause)) {
      return statement.exportClause.elements.map((element) => element.name.text)
    }
    if (!ts.canHaveModifiers(statement)) return []
    if (!ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) return []
    if (ts.isVariableStatement(statement)) {
      return statement.declarationList.declarations.map((declaration) => declaration.name.getText())
    }
    const name = ts.getNameOfDeclaration(statement as ts.Node as ts.Declaration)
    return name === undefined ? [] : [name.getText()]
  })

const emptyNames = (source: Source): ReadonlyArray<string> => {
  const inPath = source.path
    .split(/[/.]/)
    .filter((part) => words(part).some((word) => emptyWords.has(word.charAt(0).toUpperCase() + word.slice(1))))
  const exported = exportedNames(parse(source)).filter((name) => words(name).some((word) => emptyWords.has(word)))
  return [...inPath, ...exported].map((name) => `${source.path}: ${name}`)
}

// --- text -------------------------------------------------------------------------------------------------------

/** Written so that none of them matches itself. */
const forbiddenText = [
  /\bas an[y]\b/,
  /@ts-(?:ignor[e]|nochec[k])/,
  /\bforkDaemo[n]\b/,
  /\b(?:TOD[O]|FIXM[E]|XX[X])\b/,
  /\.(?:ski[p]|onl[y])\(/,
  /(?<![\w.])\/(?:hom[e]|User[s]|roo[t]|wor[k])\/\w/
]

const forbiddenLines = (source: Source): ReadonlyArray<string> =>
  source.text
    .split("\n")
    .flatMap((line, index) =>
      forbiddenText.some((pattern) => pattern.test(line)) ? [`${source.path}:${index + 1}: ${line.trim()}`] : []
    )

const statement =
  /^\s*(?:select\s|insert\s+into\s|update\s+\S+\s+set\s|delete\s+from\s|with\s+\w+\s+as\s|(?:create|alter|drop)\s+(?:table|index|schema|function|type)\s|(?:begin|commit|rollback)\s*$|set\s+local\s|listen\s|notify\s)/i

/** String literals and templates that are SQL. */
const sqlLiterals = (source: Source): ReadonlyArray<string> => {
  const file = parse(source)
  return descendants(file)
    .filter((node) => ts.isStringLiteralLike(node) || ts.isTemplateHead(node))
    .filter((node) => statement.test(node.text))
    .map((node) => `${source.path}:${lineOf(file, node.getStart(file))}: ${node.text.trim().split("\n")[0]}`)
}

const mayHoldSql = (path: string): boolean => path.startsWith("src/postgres/") || path.startsWith("src/testing/")

// --- the rules --------------------------------------------------------------------------------------------------

describe("the source", () => {
  it(`has no file above ${maxFileLines} lines`, () => {
    expect(sources.flatMap(longFiles)).toEqual([])
  })

  it(`has no function above ${maxFunctionLines} lines`, () => {
    expect(sources.flatMap(longFunctions)).toEqual([])
  })

  it("has no name that says nothing", () => {
    expect(sources.flatMap(emptyNames)).toEqual([])
  })

  it("has no escape hatch, no unfinished business, no skipped test and no path of one machine", () => {
    expect(written.flatMap(forbiddenLines)).toEqual([])
  })

  it("keeps SQL in the adapter and the test kit", () => {
    expect(sources.filter(({ path }) => !mayHoldSql(path)).flatMap(sqlLiterals)).toEqual([])
  })

  it("numbers its migrations from 1 without a gap", () => {
    const numbers = read(["migrations"], /\.sql$/).map(
      ({ path }) => /^migrations\/(\d{4})_[a-z0-9_]+\.sql$/.exec(path)?.[1]
    )
    expect(numbers).toEqual(numbers.map((_, index) => String(index + 1).padStart(4, "0")))
  })
})

describe("the rules", () => {
  const source = (text: string, path = "src/model/Run.ts"): Source => ({ path, text })
  const body = (lines: number) => "  call()\n".repeat(lines)

  it("count the lines of a file", () => {
    expect(longFiles(source("a\n".repeat(400)))).toEqual([])
    expect(longFiles(source("a\n".repeat(401)))).toEqual(["src/model/Run.ts: 401 lines"])
  })

  it("count the lines of a function, callbacks included", () => {
    expect(longFunctions(source(`const f = () => {\n${body(68)}}`))).toEqual([])
    expect(longFunctions(source(`const f = () => {\n${body(69)}}`))).toEqual(["src/model/Run.ts:1: f has 71 lines"])
    expect(longFunctions(source(`const f = () => Effect.gen(function*() {\n${body(69)}})`))).toHaveLength(1)
    expect(longFunctions(source(`const f = Effect.fn("f")(function*() {\n${body(69)}})`))).toHaveLength(1)
    expect(longFunctions(source(`run(() => {\n${body(69)}})`))).toHaveLength(1)
  })

  it("count the named functions of a closure on their own", () => {
    const verb = `const f = Effect.fn("f")(function*() {\n${body(50)}})\n`
    expect(longFunctions(source(`const make = Effect.gen(function*() {\n${verb}${verb}})`))).toEqual([])
    const value = `const x = yield* Effect.gen(function*() {\n${body(50)}})\n`
    expect(longFunctions(source(`const make = Effect.gen(function*() {\n${value}${value}})`))).toHaveLength(1)
  })

  it("know names by their words", () => {
    expect(emptyNames(source("export const OrderLive = 1\nexport class JobManager {}"))).toHaveLength(2)
    expect(emptyNames(source("export const isAlive = 1\nexport type Delivery = 1\nconst UserService = 1"))).toEqual([])
    expect(emptyNames(source("", "src/store/utils.ts"))).toHaveLength(1)
  })

  it("find what is forbidden in a text", () => {
    const planted = [
      ["x as", "any"],
      ["@ts-", "ignore"],
      ["fork", "Daemon"],
      ["// TO", "DO"],
      ["it.sk", "ip()"],
      ["/ho", "me/me"]
    ]
    for (const [head, tail] of planted) {
      const text = head?.endsWith("as") ? `${head} ${tail}` : `${head}${tail}`
      expect(forbiddenLines(source(text)), text).toHaveLength(1)
    }
  })

  it("tell SQL from prose", () => {
    expect(sqlLiterals(source(`sql\`\n  select 1 from \${table}\``))).toHaveLength(1)
    expect(sqlLiterals(source(`const q = "DELETE FROM runs"`))).toHaveLength(1)
    expect(sqlLiterals(source(`const q = "update the run before you commit"`))).toEqual([])
  })
})
