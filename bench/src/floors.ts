import { type Floor, measureFloor } from "./floor.js"

/** What a plain script commits at 1, 8 and 64 connections, and in bulk. */
export const measureFloors = async (
  server: string,
  seconds: number,
  print: (floor: Floor) => void
): Promise<ReadonlyArray<Floor>> => {
  const floors: Array<Floor> = []
  const add = async (work: Floor["work"], connections: number) => {
    const floor = await measureFloor(server, work, connections, seconds)
    print(floor)
    floors.push(floor)
  }
  for (const work of ["two statements", "one statement"] as const)
    for (const connections of [1, 8, 64]) await add(work, connections)
  await add("bulk", 1)
  return floors
}

/** Commits per second of one kind of floor. */
export const floorOf = (floors: ReadonlyArray<Floor>, work: Floor["work"], connections: number): number =>
  floors.find((floor) => floor.work === work && floor.connections === connections)!.perSecond
