/** Whether an address is reachable from this machine only. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host)

/**
 * What requests to a server may call it: names of the loopback address, and `others` as `Host` spells them; `undefined` if it
 * is bound to another address and nothing is said.
 *
 * **Details** A page of the internet can make its own name point here (DNS rebinding); the browser then sends that name.
 */
export const hostsOf = (
  host: string,
  port: number,
  others: ReadonlyArray<string> = []
): ReadonlySet<string> | undefined => {
  if (!isLoopback(host)) return others.length === 0 ? undefined : new Set(others.map((name) => name.toLowerCase()))
  const own = host === "::1" ? [] : [host]
  const names = ["localhost", "127.0.0.1", "[::1]", ...own]
  const loopback = names.flatMap((name) => (port === 80 ? [name, `${name}:80`] : [`${name}:${port}`]))
  return new Set([...loopback, ...others.map((name) => name.toLowerCase())])
}
