/** Follows a stream of events through lost connections: resumes after the last event, with growing delays. */
import { Code } from "@connectrpc/connect";
import { durationMs } from "@bufbuild/protobuf/wkt";

import type { ConversationEvent } from "./api";
import { type Backoff, delayBefore, pause } from "./backoff";
import { DeskwireError } from "./errors";
import { type DeskwireEvent, EventReader, GAP, missed, type MissedEvent } from "./events";

/** What to show of a connection. `closed`: nothing is open, and nothing is tried. */
export type ConnectionState = "connecting" | "open" | "reconnecting" | "closed";

/** How patient a client is. Times are milliseconds. */
export interface Patience {
  readonly backoff: Backoff;
  /** Silence after which a stream counts as dead; more than twice the server's heartbeat interval. */
  readonly silenceMs: number;
  /** Trying without any success for this long gives up. */
  readonly giveUpMs: number;
}

/** A message of a stream. */
interface Envelope {
  readonly event?: ConversationEvent | undefined;
}

/** A response of a stream that was asked for bundles. */
export interface Bundle extends Envelope {
  readonly moreEvents: readonly ConversationEvent[];
}

/** The events of bundles, one by one. */
export async function* unbundled(bundles: AsyncIterable<Bundle>): AsyncGenerator<Envelope, void, void> {
  for await (const { event, moreEvents } of bundles) {
    yield { event };
    for (const more of moreEvents) yield { event: more };
  }
}

/** A stream that can be opened again. */
export interface FollowOptions {
  /** Opens the stream after a sequence, or from its own beginning. */
  open(after: bigint | undefined, signal: AbortSignal): AsyncIterable<Envelope>;
  /** Where to begin. */
  after: bigint | undefined;
  /** Events come from many conversations: their sequences tell no place in the stream, and `open` keeps its own. */
  many?: boolean;
  /** Whether this event is the last one wanted. */
  isLast(event: DeskwireEvent): boolean;
  onState(state: ConnectionState): void;
  /** Called when the token was refused; returns whether there is a new one. */
  refreshToken(): Promise<boolean>;
  /** Whether refusals for being too busy are waited out. They are, once a message is accepted. */
  mayWait(): boolean;
  patience: Patience;
  signal: AbortSignal;
}

/** Ends a connection that says nothing for too long. */
class Watchdog {
  #timer: ReturnType<typeof setTimeout> | undefined;
  fired = false;

  constructor(
    private readonly silenceMs: number,
    private readonly onSilence: () => void,
  ) {
    this.feed();
  }

  feed(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.fired = true;
      this.onSilence();
    }, this.silenceMs);
  }

  rest(): void {
    clearTimeout(this.#timer);
  }
}

/** Everything that outlives one connection. */
class Progress {
  after: bigint | undefined;
  retries = 0;
  refreshed = false;
  /** Asked for by the server before the next connection, in milliseconds. */
  waitMs = 0;
  failure: DeskwireError | undefined;
  #lastContact = Date.now();

  constructor(after: bigint | undefined) {
    this.after = after;
  }

  contact(): void {
    this.retries = 0;
    this.refreshed = false;
    this.#lastContact = Date.now();
  }

  get aloneMs(): number {
    return Date.now() - this.#lastContact;
  }
}

/**
 * Yields the events of a stream, each once, across as many connections as it takes. Ends after the event that
 * `isLast` names. Throws a `DeskwireError` for what waiting can't mend, and when the signal aborts.
 */
export async function* follow(options: FollowOptions): AsyncGenerator<DeskwireEvent, void, void> {
  const { signal, patience } = options;
  const progress = new Progress(options.after);
  const reader = new EventReader();
  try {
    for (;;) {
      signal.throwIfAborted();
      options.onState(progress.retries === 0 ? "connecting" : "reconnecting");
      const finished = yield* oneConnection(options, progress, reader);
      if (finished) return;
      if (progress.failure !== undefined) {
        const gone = await recover(options, progress, progress.failure);
        if (gone !== undefined) yield missed(gone, progress.after ?? 0n);
      }
      progress.retries += 1;
      if (progress.aloneMs > patience.giveUpMs) throw progress.failure ?? DeskwireError.connectionLost();
      options.onState("reconnecting");
      await pause(Math.max(progress.waitMs, delayBefore(progress.retries, patience.backoff)), signal);
    }
  } catch (error) {
    throw DeskwireError.from(error);
  } finally {
    options.onState("closed");
  }
}

/** Yields the events of one connection. Returns true after the last event wanted; failures are left in `progress`. */
async function* oneConnection(
  options: FollowOptions,
  progress: Progress,
  reader: EventReader,
): AsyncGenerator<DeskwireEvent, boolean, void> {
  const connection = new AbortController();
  const signal = AbortSignal.any([options.signal, connection.signal]);
  const watchdog = new Watchdog(options.patience.silenceMs, () => connection.abort());
  progress.failure = undefined;
  progress.waitMs = 0;
  try {
    const events = options.open(progress.after, signal)[Symbol.asyncIterator]();
    for (let first = true; ; first = false) {
      const next = await attempt(events, progress, watchdog);
      if (next === undefined) return false;
      watchdog.feed();
      progress.contact();
      if (first) options.onState("open");
      if (next.event?.event.case === "goAway") {
        const { reconnectAfter } = next.event.event.value;
        progress.waitMs = reconnectAfter ? durationMs(reconnectAfter) : 0;
        return false;
      }
      const event = next.event && (options.many ? new EventReader().read(next.event) : readOnce(next.event, progress, reader));
      if (event === undefined) continue;
      if (event === GAP) return false;
      // Whoever reads may take their time: that is no silence of the server.
      watchdog.rest();
      yield event;
      if (options.isLast(event)) return true;
      watchdog.feed();
    }
  } finally {
    watchdog.rest();
    connection.abort();
  }
}

/** The next message of a connection; undefined at its end, with the failure in `progress` if it was one. */
async function attempt(
  events: AsyncIterator<Envelope>,
  progress: Progress,
  watchdog: Watchdog,
): Promise<Envelope | undefined> {
  try {
    const next = await events.next();
    return next.done === true ? undefined : next.value;
  } catch (error) {
    progress.failure = watchdog.fired ? DeskwireError.connectionLost(error) : DeskwireError.from(error);
    return undefined;
  }
}

/** Reads an event unless it was seen before; durable events move the place to resume from. */
function readOnce(
  event: ConversationEvent,
  progress: Progress,
  reader: EventReader,
): DeskwireEvent | typeof GAP | undefined {
  if (event.sequence > 0n) {
    if (progress.after !== undefined && event.sequence <= progress.after) return undefined;
    progress.after = event.sequence;
  }
  return reader.read(event);
}

/**
 * Makes ready for another connection after a failure, or throws when that would not help. Tells why the stream will go on
 * elsewhere than where it broke, if it will.
 */
async function recover(
  options: FollowOptions,
  progress: Progress,
  failure: DeskwireError,
): Promise<MissedEvent["reason"] | undefined> {
  const { reason, metadata } = failure;
  if (options.signal.aborted) throw failure;
  if (reason === "CURSOR_EXPIRED" && metadata["earliest_sequence"] !== undefined) {
    progress.after = BigInt(metadata["earliest_sequence"]) - 1n;
    return reason;
  }
  if (reason === "CURSOR_AHEAD" && metadata["last_sequence"] !== undefined) {
    progress.after = BigInt(metadata["last_sequence"]);
    return reason;
  }
  if (failure.code === Code.Unauthenticated && !progress.refreshed) {
    progress.refreshed = true;
    if (!(await options.refreshToken())) throw failure;
  } else if (failure.transient || (failure.code === Code.ResourceExhausted && options.mayWait())) {
    progress.waitMs = failure.retryAfterMs ?? 0;
  } else {
    throw failure;
  }
  return undefined;
}
