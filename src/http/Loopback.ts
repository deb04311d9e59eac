/** Whether an address is reachable from this machine only. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host)

/**
 * What requests to a loopback server may call it; `undefined` if it is bound to another address.
 *
 * **Details** A page of the internet can make its own name point here (DNS rebinding); the browser then sends that name.
 */
export const hostsOf = (host: string, port: number): ReadonlySet<string> | undefined => {
  if (!isLoopback(host)) return undefined
  const own = host === "::1" ? [] : [host]
  const names = ["localhost", "127.0.0.1", "[::1]", ...own]
  return new Set(names.flatMap((name) => (port === 80 ? [name, `${name}:80`] : [`${name}:${port}`])))
}
