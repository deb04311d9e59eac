/** What the fold of the stream load must come to. */
export const totalOf = (messages: number) => ({ count: messages, sum: messages * (messages + 1) })
