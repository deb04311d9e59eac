/**
 * Every limit of the system that is not a setting, in one place; units last in the names.
 */
export const Limits = {
  /** Nesting of a stored value; deeper is a typed error. Far above what people send, far below what a stack bears. */
  valueDepth: 500,
  /** Nesting of a schema whose values are read without the library; a deeper one is left to it. */
  plainDepth: 100,
  /** From this size a payload is warned of once per (workflow, node, port): it belongs in a blob store. */
  largePayloadBytes: 256 * 1024,
  /** A larger encoded value is refused with a typed error. */
  payloadBytes: 64 * 1024 * 1024,
  /** Keys of the body of one call, those of all its objects together; more are a typed error. */
  bodyKeys: 50_000,
  /** Commits written by one transaction. */
  commitBatch: 256,
  /** Such transactions under way at once. */
  commitLanes: 2,
  /** Firings of one node that the run's frontier tells of instead of a row each: it is rewritten by every commit. */
  startedInFrontier: 8,
  /** Elements of a stream that are committed, or read, together. */
  streamBatch: 500,
  /** How long elements of a stream are gathered before they are committed, however few they are. */
  streamGatherMs: 10,
  /** Messages of an edge that its consumer has not taken, above which a stream that feeds it waits. */
  edgeCredits: 2_000,
  /** Runs started by one transaction. */
  startBatch: 256,
  /** How often a batch is tried as a whole while the database is away, before its items go alone. */
  batchTries: 5,
  /** How often a start, an input or a command is tried by itself before its caller is told of the trouble. */
  startTries: 6,
  /** Trigger inputs or commands inserted by one transaction. */
  deliverBatch: 512,
  /** Runs read by one statement. */
  readBatch: 500,
  /** Runs claimed by one look. */
  claimBatch: 200,
  /** Unapplied inputs and commands seen by one look. */
  lookBatch: 1_000,
  /** Time between two heartbeats of a firing that are written, however many are given. */
  heartbeatWriteMs: 1_000,
  /** Signals a waiting step looks at at first; more when steps beside it have taken all of these. */
  signalBatch: 16,
  /** Rows of ended runs deleted by one transaction. */
  cleanupBatch: 1_000,
  /** Ended runs deleted by one transaction, with all that is theirs. */
  cleanupRuns: 500,
  /** Such transactions of one sweep for what runs that live have done with. */
  trimHands: 50,
  /** The pause after each of these transactions. */
  cleanupPauseMs: 20,
  /** So long before its messages may be cleaned up a failed run is not tried again any more. */
  cleanupMarginMs: 60_000,
  /** How long a batch of starts waits for a stranger's uncommitted run of the same name. */
  startLockTimeoutMs: 100,
  /** How long a batch of commits waits for the lock of a row, before those that are free go without the rest. */
  batchLockTimeoutMs: 100,
  /** How long a commit that was skipped because its row was locked waits for it alone. */
  commitLockTimeoutMs: 5_000,
  /** How many times a commit that the database refuses alone is tried before its run is parked. */
  rejectedCommitTries: 3,
  /** Deaths of a process during one firing, whoever caused them, after which it runs alone. */
  crashesBeforeAlone: 2,
  /** How long a firing's wait to run alone keeps others from starting, before they have as long a turn. */
  aloneTurnMs: 30_000,
  /** Further deaths, suffered alone, after which its run is parked as poison. */
  crashesBeforeParking: 3,
  /** Time between two looks at who lives, for each other worker; bounded on both sides. */
  watchMs: 100,
  watchLeastMs: 250,
  watchMostMs: 2_000,
  /** Time between two tries of a worker that has just begun to look at who lives. */
  beginMs: 20,
  /** How long a session must be gone, and its heart not beat, before a worker is declared dead. */
  doubtMs: 300,
  /** The first pause after a heartbeat that failed; it doubles up to the regular one. */
  heartbeatRetryMs: 50,
  /** Audit events waiting to be written; more are dropped and counted. */
  auditQueue: 20_000,
  /** Audit events written by one transaction. */
  auditBatch: 4_000,
  /** How long events are gathered, so that those of one run make one row. */
  auditGatherMs: 500,
  /** How long the audit log may take over one batch before it is lost. */
  auditMs: 10_000,
  /** The same for the last batch, which a stop waits for. */
  auditLastMs: 3_000,
  /** How long a fiber may take to end after its interruption before the supervisor says so. */
  interruptGraceMs: 5_000,
  /** Bound on a caller's or a node's own transaction with the engine inside. */
  joinedTransactionMs: 5_000,
  /** A worker's name, an operator's word, a reason: cut at this length before it is stored. */
  reasonCharacters: 4_000
} as const
