/** The client of a Deskwire server: one object with everything that a page or a service does there. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Client, type Transport } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";

import {
  AnalyticsService, type ChatContextSchema, ChatService, ConversationService, FeedbackService, KnowledgeGapService, KnowledgeService,
} from "./api";
import { type Backoff, DEFAULT_BACKOFF } from "./backoff";
import { createTypedClient } from "./calls";
import { Conversation, type ConversationTarget } from "./conversation";
import { type DurableKind, type TenantEvent, watchEvents, type WatchEventsOptions } from "./feed";
import { type ImportDocument, importDocuments, type ImportProgress } from "./import";
import type { Patience } from "./stream";
import { authenticate, type TokenSource } from "./token";

/** How to reach a server. */
export interface DeskwireClientOptions {
  /** A token, or where to get one. It is asked again with `refresh` when the server refuses the last one. */
  token: string | TokenSource;
  /** Address of Envoy's HTTP port, without a slash at the end. Default: the page's own origin. */
  baseUrl?: string;
  /** Carries the calls in place of grpc-web, in tests for instance. It has to send the token by itself. */
  transport?: Transport;
  /** Carries the import, and grpc-web unless there is a `transport`. */
  fetch?: typeof fetch;
  /** Person, page and platform, sent with every message that names none. */
  context?: MessageInitShape<typeof ChatContextSchema>;
  /** Delays between tries. */
  backoff?: Backoff;
  /** Silence after which a stream counts as dead, in milliseconds. Default 40,000: the server beats every 15 s. */
  silenceMs?: number;
  /** Trying without success for this long gives up, in milliseconds. Default 120,000. */
  giveUpMs?: number;
}

/** A client. Cheap, and safe to share. */
export class DeskwireClient {
  /** What happens in the tenant, as figures; `watchEvents` is more convenient than its stream. */
  readonly analytics: Client<typeof AnalyticsService>;
  /** The chat calls as the contract has them. `conversation` is more convenient. */
  readonly chat: Client<typeof ChatService>;
  /** Conversations as resources: list, rename, end, messages. */
  readonly conversations: Client<typeof ConversationService>;
  /** What people think of answers and conversations. */
  readonly feedback: Client<typeof FeedbackService>;
  /** Questions that the articles do not answer yet; for administrators. */
  readonly gaps: Client<typeof KnowledgeGapService>;
  /** Articles and search. */
  readonly knowledge: Client<typeof KnowledgeService>;
  readonly #options: DeskwireClientOptions;
  readonly #token: TokenSource;
  readonly #baseUrl: string;
  readonly #patience: Patience;

  constructor(options: DeskwireClientOptions) {
    const { token } = options;
    this.#options = options;
    this.#token = typeof token === "string" ? () => token : token;
    this.#baseUrl = options.baseUrl ?? (typeof location === "undefined" ? "" : location.origin);
    this.#patience = {
      backoff: options.backoff ?? DEFAULT_BACKOFF,
      silenceMs: options.silenceMs ?? 40_000,
      giveUpMs: options.giveUpMs ?? 120_000,
    };
    const transport =
      options.transport ??
      createGrpcWebTransport({
        baseUrl: this.#baseUrl,
        interceptors: [authenticate(this.#token)],
        ...(options.fetch && { fetch: options.fetch }),
      });
    this.analytics = createTypedClient(AnalyticsService, transport);
    this.chat = createTypedClient(ChatService, transport);
    this.conversations = createTypedClient(ConversationService, transport);
    this.feedback = createTypedClient(FeedbackService, transport);
    this.gaps = createTypedClient(KnowledgeGapService, transport);
    this.knowledge = createTypedClient(KnowledgeService, transport);
  }

  /** A conversation to talk in: an existing one, the one of a session, or, without a target, a new one. */
  conversation(target: ConversationTarget = { create: {} }): Conversation {
    return new Conversation(
      {
        chat: this.chat,
        patience: this.#patience,
        context: this.#options.context,
        refreshToken: () => this.#refreshToken(),
      },
      target,
    );
  }

  /**
   * Yields the stored events of all conversations of the tenant, each once, through lost connections, until the signal
   * aborts or the loop is left. For administrators and services.
   *
   * @throws DeskwireError when the cursor is refused, or the server stays away for too long.
   */
  watchEvents<Kind extends DurableKind = DurableKind>(
    options: WatchEventsOptions<Kind> = {},
  ): AsyncGenerator<TenantEvent<Kind>, void, void> {
    const link = { analytics: this.analytics, patience: this.#patience, refreshToken: () => this.#refreshToken() };
    return watchEvents(link, options);
  }

  /** Imports documents in batches; yields the progress after each. */
  importDocuments(
    documents: readonly ImportDocument[],
    signal?: AbortSignal,
  ): AsyncGenerator<ImportProgress, void, void> {
    const fetcher = this.#options.fetch ?? fetch.bind(globalThis);
    return importDocuments({ baseUrl: this.#baseUrl, token: this.#token, fetch: fetcher }, documents, signal);
  }

  async #refreshToken(): Promise<boolean> {
    const before = await this.#token({ refresh: false });
    return (await this.#token({ refresh: true })) !== before;
  }
}
