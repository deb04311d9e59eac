import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** A file of the folder of migrations, as it was written. */
export interface MigrationFile {
  readonly file: string
  readonly sql: string
}

/** The package keeps its migrations two folders above this module. */
const packaged = fileURLToPath(new URL("../../migrations", import.meta.url))

/**
 * Reads the files of the package's folder of migrations, in no particular order.
 *
 * **Details** The build puts the files themselves in the place of this module, so that an application that is bundled with Perdure
 * in it needs no folder beside it.
 */
export const migrationFiles = async (): Promise<ReadonlyArray<MigrationFile>> =>
  Promise.all(
    (await readdir(packaged)).map(async (file) => ({ file, sql: await readFile(join(packaged, file), "utf8") }))
  )
