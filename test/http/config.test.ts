import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { describe, expect, it } from "vitest"
import { type Configuration, readConfiguration, settings, settingsHelp, settingsTable } from "../../src/cli/config.js"

const read = (environment: Record<string, string>) => Either.getOrThrow(readConfiguration(environment))

const problems = (environment: Record<string, string>) =>
  Either.match(readConfiguration(environment), { onLeft: (lines) => lines, onRight: () => [] })

describe("The settings", () => {
  it("have defaults that hold for a newcomer", () => {
    expect(read({}).configuration).toMatchObject({
      databaseUrl: undefined,
      dataDir: ".perdure",
      host: "127.0.0.1",
      port: 4400,
      bodyLimitBytes: 1_048_576
    })
  })

  it("take the default where a variable is empty", () => {
    expect(read({ PERDURE_PORT: "", DATABASE_URL: "" })).toEqual(read({}))
  })

  it("are read from the environment", () => {
    const { configuration } = read({
      DATABASE_URL: "postgres://me:secret@db/orders",
      PERDURE_HOST: "::1",
      PERDURE_PORT: "0",
      PERDURE_LOG_LEVEL: "WARNING",
      PERDURE_EXAMPLE_LEDGER: "ledger.jsonl"
    })
    expect(configuration).toMatchObject({ host: "::1", port: 0, logLevel: "warning", exampleLedger: "ledger.jsonl" })
    expect(Redacted.value(configuration.databaseUrl!)).toBe("postgres://me:secret@db/orders")
    expect(JSON.stringify(configuration)).not.toContain("secret")
  })

  it("say how long what is kept", () => {
    const { retention } = read({ PERDURE_RETENTION: "*:data=36h:audit=90d, order:runs=forever:data=2m" }).configuration
    expect(retention).toEqual([
      ["*", { retentionMs: 36 * 3_600_000, auditRetentionMs: 90 * 86_400_000 }],
      ["order", { runRetentionMs: Number.POSITIVE_INFINITY, retentionMs: 120_000 }]
    ])
  })

  it.each([
    ["DATABASE_URL", "mysql://db"],
    ["DATABASE_URL", "nonsense"],
    ["PERDURE_PORT", "abc"],
    ["PERDURE_PORT", "65536"],
    ["PERDURE_PORT", "-1"],
    ["PERDURE_PORT", "1e3"],
    ["PERDURE_HOST", "0.0.0.0"],
    ["PERDURE_HOST", "::"],
    ["PERDURE_HOST", "127.0.0.1.evil.example"],
    ["PERDURE_SCHEMA", 'x"; drop schema perdure'],
    ["PERDURE_SCHEMA", "pg_catalog"],
    ["PERDURE_WORKER_ID", "a b"],
    ["PERDURE_SLOTS", "0"],
    ["PERDURE_LEASE_MS", "10"],
    ["PERDURE_LOG_LEVEL", "loud"],
    ["PERDURE_LOG_FORMAT", "xml"],
    ["PERDURE_BODY_LIMIT_BYTES", "1"],
    ["PERDURE_RETENTION", "nonsense"],
    ["PERDURE_RETENTION", "order:runs=30"],
    ["PERDURE_RETENTION", "order:steps=30d"],
    ["PERDURE_RETENTION", "a b:runs=30d"],
    ["PERDURE_WEBHOOKS", "mail:short"],
    ["PERDURE_WEBHOOKS", "0123456789abcdef"],
    ["PERDURE_WEBHOOKS", "mail@:0123456789abcdef"],
    ["PERDURE_WEBHOOKS", "mail@order/:0123456789abcdef"],
    ["PERDURE_WEBHOOKS", "m/x:0123456789abcdef"],
    // Decodes to nothing, to 15 bytes, leniently only, and is cut in the middle.
    ["PERDURE_WEBHOOKS", "mail:whsec_=========="],
    ["PERDURE_WEBHOOKS", "mail:whsec_AAAAAAAAAAAAAAAAAAAA"],
    ["PERDURE_WEBHOOKS", "mail:whsec_AAAAAAAAAAAAAAAAAAAAAA!!AA"],
    ["PERDURE_WEBHOOKS", "mail:whsec_AAAAAAAAAAAAAAAAAAAAAAAAA"]
  ])("refuse %s=%s in one line that names the variable and not the value", (name, value) => {
    const lines = problems({ [name]: value })
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(new RegExp(`^${name}: expected `))
    expect(lines[0]).not.toContain("\n")
    if (value.length > 4) expect(lines[0]).not.toContain(value)
  })

  it("say who may send signed events, and where", () => {
    const text =
      "mail:0123456789abcdef, billing@order:whsec_MDEyMzQ1Njc4OWFiY2RlZg==, hr@order/approve:0123456789abcdef"
    const { webhooks } = read({ PERDURE_WEBHOOKS: text }).configuration
    expect(webhooks.map(({ key: _, ...rest }) => rest)).toEqual([
      { name: "mail" },
      { name: "billing", workflow: "order" },
      { name: "hr", workflow: "order", nodeId: "approve" }
    ])
    for (const { key } of webhooks) expect(Buffer.from(Redacted.value(key)).toString()).toBe("0123456789abcdef")
  })

  it("tell of every problem at once", () => {
    expect(problems({ PERDURE_PORT: "x", PERDURE_SLOTS: "x", DATABASE_DIRECT_URL: "postgres://db" })).toHaveLength(3)
  })

  it("warn of variables that look like ours and are not", () => {
    expect(read({ PERDURE_PROT: "1", OTHER: "1" }).warnings).toEqual(["PERDURE_PROT is not a setting"])
  })

  it("all stand in the table and in the help", () => {
    for (const { name } of Object.values(settings)) {
      expect(settingsTable()).toContain(`\`${name}\``)
      expect(settingsHelp()).toContain(name)
    }
    expect(settingsTable().split("\n")).toHaveLength(Object.keys(settings).length + 2)
  })

  it("show as a default what holds without the variable", () => {
    for (const [key, setting] of Object.entries(settings)) {
      if (setting.absent === undefined) continue
      const value = read({ [setting.name]: setting.shownDefault }).configuration[key as keyof Configuration]
      expect(value).toEqual(setting.absent)
    }
  })
})
