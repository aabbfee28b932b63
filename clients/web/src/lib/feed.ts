/** The events of a whole tenant, across as many connections as it takes. */
import type { Client } from "@connectrpc/connect";

import { type AnalyticsService, EventKind, type WatchEventsResponse } from "./api";
import type { DeskwireEvent } from "./events";
import { type ConnectionState, follow, type Patience } from "./stream";

const KINDS = {
  accepted: EventKind.MESSAGE_ACCEPTED,
  regenerated: EventKind.REGENERATION_ACCEPTED,
  started: EventKind.TURN_STARTED,
  completed: EventKind.MESSAGE_COMPLETED,
  failed: EventKind.TURN_FAILED,
  cancelled: EventKind.TURN_CANCELLED,
  changed: EventKind.CONVERSATION_CHANGED,
} as const;

/** Kinds of events that are stored. */
export type DurableKind = keyof typeof KINDS;

/** An event of some conversation of the tenant. */
export interface TenantEvent<Kind extends DurableKind = DurableKind> {
  readonly event: Extract<DeskwireEvent, { type: Kind }>;
  /** The user that the conversation belongs to. */
  readonly userId: string;
  /** Where to resume once this event is handled. */
  readonly cursor: string;
}

/** Where to begin, and what to choose. */
export interface WatchEventsOptions<Kind extends DurableKind = DurableKind> {
  /** Begins behind the event that this cursor came with. */
  cursor?: string;
  /** Without a cursor: begins with the oldest event that is kept, in place of those to come. */
  fromBeginning?: boolean;
  /** Only these; all by default. */
  kinds?: readonly Kind[];
  /** Told of each new cursor. It moves on past events that were not chosen as well: keep the newest. */
  onCursor?: (cursor: string) => void;
  onState?: (state: ConnectionState) => void;
  /** Ends the stream. */
  signal?: AbortSignal;
}

/** What the stream needs of its client. */
interface FeedLink {
  readonly analytics: Client<typeof AnalyticsService>;
  readonly patience: Patience;
  refreshToken(): Promise<boolean>;
}

/** Yields each durable event of the tenant once, and resumes by itself. Throws a `DeskwireError` as `follow` does. */
export async function* watchEvents<Kind extends DurableKind>(
  link: FeedLink,
  options: WatchEventsOptions<Kind>,
): AsyncGenerator<TenantEvent<Kind>, void, void> {
  const kinds = (options.kinds ?? []).map((kind) => KINDS[kind]);
  let cursor = options.cursor ?? "";
  let userId = "";
  async function* open(signal: AbortSignal): AsyncGenerator<WatchEventsResponse, void, void> {
    const request = { cursor, fromBeginning: cursor === "" && options.fromBeginning === true, kinds };
    for await (const response of link.analytics.watchEvents(request, { signal })) {
      userId = response.userId;
      if (response.cursor !== "" && response.cursor !== cursor) {
        ({ cursor } = response);
        options.onCursor?.(cursor);
      }
      yield response;
    }
  }
  const events = follow({
    open: (_, signal) => open(signal),
    many: true,
    after: undefined,
    isLast: () => false,
    mayWait: () => true,
    onState: options.onState ?? (() => undefined),
    refreshToken: () => link.refreshToken(),
    patience: link.patience,
    signal: options.signal ?? new AbortController().signal,
  });
  for await (const event of events) {
    if (event.sequence > 0n) yield { event: event as TenantEvent<Kind>["event"], userId, cursor };
  }
}
