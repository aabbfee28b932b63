/** How long to wait between two tries, and the waiting itself. */

/** Delays grow from `baseMs` by two until `capMs`, and each is drawn from the upper half of its span. */
export interface Backoff {
  /** Longest first delay in milliseconds. */
  readonly baseMs: number;
  /** Longest delay in milliseconds. */
  readonly capMs: number;
}

/** A server that is back is noticed within two seconds, so that a stream goes on within three. */
export const DEFAULT_BACKOFF: Backoff = { baseMs: 300, capMs: 2_000 };

/** The delay before try number `retry` (from 1), in milliseconds; the chance in it keeps clients from coming back in step. */
export function delayBefore(retry: number, backoff: Backoff, random: () => number = Math.random): number {
  const span = Math.min(backoff.capMs, backoff.baseMs * 2 ** (retry - 1));
  return span / 2 + (random() * span) / 2;
}

/** Waits; returns early when the browser comes back online or the signal aborts. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const network = typeof window === "undefined" ? undefined : window;
    const done = (): void => {
      clearTimeout(timer);
      network?.removeEventListener("online", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    network?.addEventListener("online", done);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}
