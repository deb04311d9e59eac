import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as CommandDescriptor from "@effect/cli/CommandDescriptor"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as HashMap from "effect/HashMap"
import { colourless } from "./Printing.js"

/** A command and what it does. */
type Entry = readonly [name: string, does: string]

/** The description in a command's own help. */
const described = (help: HelpDoc.HelpDoc): string => {
  const [, text = ""] = /DESCRIPTION\s+(.*?)\s*(?:\n\s*\n|$)/s.exec(colourless(HelpDoc.toAnsiText(help))) ?? []
  return text.replaceAll(/\s+/g, " ")
}

/** The commands below a command, by name. */
export const commandsOf = <Name extends string, R, E, A>(
  parent: Command.Command<Name, R, E, A>
): ReadonlyArray<Entry> =>
  HashMap.toEntries(Command.getSubcommands(parent))
    .map(([name, command]): Entry => [name, described(CommandDescriptor.getHelp(command, CliConfig.defaultConfig))])
    .sort(([a], [b]) => (a < b ? -1 : 1))

/**
 * Help for a command with others below it: a line for each.
 *
 * **Details** The one that is generated spells every option of every command, which no terminal is wide enough for.
 */
export const overview = (name: string, title: string, commands: ReadonlyArray<Entry>): string => {
  const width = Math.max(...commands.map(([command]) => command.length))
  const lines = commands.map(([command, does]) => `  ${command.padEnd(width)}  ${does}`)
  return `${title}\n\nUSAGE\n\n  ${name} <command>\n\nCOMMANDS\n\n${lines.join("\n")}\n\n${name} <command> --help tells more of each.\n`
}
