/** The mock server's memory: conversations with their events, turns and articles. */
import { create } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";

import { api, newRequestId } from "../src/lib";
import { SAMPLE_ARTICLES } from "./articles";

/** An event without what the log adds to it. */
type EventBody = api.ConversationEvent["event"];

/** How the mock shall misbehave. */
export interface Faults {
  /** Break every stream after this many messages. */
  breakAfter?: number | undefined;
  /** Refuse everything as a server that is away would. */
  away?: boolean;
  /** Fail the next turns. */
  failTurns?: number;
  /** Leave out heartbeats and everything else after the first event. */
  silent?: boolean;
}

/** One conversation. */
export class Room {
  readonly events: api.ConversationEvent[] = [];
  /** Of every branch. */
  readonly messages: api.Message[] = [];
  /** Turns that were asked for again, by request id. */
  readonly again = new Map<string, { turnId: string; sequence: bigint }>();
  /** Newest message of the active branch. */
  head = "";
  /** Text so far of the running answer. */
  running: { messageId: string; turnId: string; questionId: string; attempt: number; text: string; stopped: boolean } | undefined;
  readonly #listeners = new Set<(event: api.ConversationEvent) => void>();

  constructor(readonly conversation: api.Conversation) {}

  /** The messages of the active branch, oldest first, each with those that stand in its place. */
  branch(): api.Message[] {
    const found: api.Message[] = [];
    for (let id = this.head; id !== ""; id = found[0]?.parentMessageId ?? "") {
      const message = this.messages.find((one) => one.id === id);
      if (message === undefined) break;
      const same = this.messages.filter((one) => one.parentMessageId === message.parentMessageId).map((one) => one.id);
      message.alternativeMessageIds = same.length > 1 ? same : [];
      found.unshift(message);
    }
    return found;
  }

  /** Makes the newest branch through a message the active one. */
  select(messageId: string): void {
    this.setHead(messageId);
    for (let next = this.#newestAfter(messageId); next !== undefined; next = this.#newestAfter(next)) this.setHead(next);
  }

  setHead(messageId: string): void {
    this.head = messageId;
    this.conversation.headMessageId = messageId;
  }

  #newestAfter(messageId: string): string | undefined {
    return this.messages.findLast((message) => message.parentMessageId === messageId)?.id;
  }

  /** Stores a durable event. */
  commit(turnId: string, event: EventBody): api.ConversationEvent {
    const sequence = BigInt(this.events.length + 1);
    const made = this.#make(turnId, event, sequence);
    this.events.push(made);
    this.conversation.lastSequence = sequence;
    this.conversation.updateTime = timestampNow();
    this.#tell(made);
    return made;
  }

  /** Sends a live event to those who watch. */
  tell(turnId: string, event: EventBody): void {
    this.#tell(this.#make(turnId, event, 0n));
  }

  status(): api.ConversationEvent {
    return this.#make("", {
      case: "connectionStatus",
      value: create(api.ConnectionStatusSchema, {
        connected: true,
        serverTime: timestampNow(),
        conversation: this.conversation,
        provider: "builtin",
      }),
    }, 0n);
  }

  /** Events after a sequence, then the text so far, then what comes; ends when the signal aborts. */
  async *follow(after: bigint, signal: AbortSignal): AsyncGenerator<api.ConversationEvent> {
    const queue: api.ConversationEvent[] = this.events.filter((event) => event.sequence > after);
    if (this.running && this.running.text !== "") queue.push(this.#textSoFar(this.running));
    let wake = (): void => undefined;
    const listener = (event: api.ConversationEvent): void => {
      queue.push(event);
      wake();
    };
    const stop = (): void => wake();
    this.#listeners.add(listener);
    signal.addEventListener("abort", stop);
    try {
      while (!signal.aborted) {
        const event = queue.shift();
        if (event !== undefined) yield event;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      this.#listeners.delete(listener);
      signal.removeEventListener("abort", stop);
    }
  }

  #textSoFar(running: NonNullable<Room["running"]>): api.ConversationEvent {
    const { messageId, attempt, text, turnId } = running;
    return this.#make(turnId, { case: "textDelta", value: create(api.TextDeltaSchema, { messageId, attempt, text }) }, 0n);
  }

  #make(turnId: string, event: EventBody, sequence: bigint): api.ConversationEvent {
    const conversationId = this.conversation.id;
    return create(api.ConversationEventSchema, { sequence, createTime: timestampNow(), conversationId, turnId, event });
  }

  #tell(event: api.ConversationEvent): void {
    for (const listener of this.#listeners) listener(event);
  }
}

/** Everything the mock server knows. */
export class World {
  readonly rooms = new Map<string, Room>();
  readonly articles = new Map<string, api.Article>();
  readonly gaps = new Map<string, api.KnowledgeGap>();
  readonly faults: Faults = {};
  /** Milliseconds between two words of an answer. */
  wordDelay = 28;

  constructor() {
    this.addGap("Can I pay by invoice?", 7);
    this.addGap("Is there an app for my phone?", 2);
    for (const sample of SAMPLE_ARTICLES) {
      const { path: sourcePath, ...rest } = sample;
      this.putArticle(create(api.ArticleSchema, { ...rest, sourcePath, language: "en" }));
    }
  }

  /** Adds a question that was asked some times and not answered. */
  addGap(question: string, questionCount: number): api.KnowledgeGap {
    const asked = { text: question, conversationId: newRequestId(), answerMessageId: newRequestId() };
    const made = { id: newRequestId(), question, questionCount, userCount: 1, lastAskedTime: timestampNow(), questions: [asked] };
    const gap = create(api.KnowledgeGapSchema, made);
    this.gaps.set(gap.id, gap);
    return gap;
  }

  open(init?: api.Conversation): Room {
    const conversation = Object.assign(create(api.ConversationSchema), init, {
      id: newRequestId(),
      status: api.ConversationStatus.ACTIVE,
      createTime: timestampNow(),
      updateTime: timestampNow(),
      etag: "1",
    });
    const room = new Room(conversation);
    this.rooms.set(conversation.id, room);
    return room;
  }

  room(id: string): Room {
    return this.rooms.get(id) ?? missing("conversation");
  }

  article(id: string): api.Article {
    return this.articles.get(id) ?? missing("article");
  }

  putArticle(article: api.Article): api.Article {
    article.id ||= newRequestId();
    article.createTime ??= timestampNow();
    article.updateTime = timestampNow();
    article.etag = newRequestId().slice(0, 8);
    article.passageCount = Math.max(1, article.content.split(/^## /m).length);
    this.articles.set(article.id, article);
    return article;
  }
}

function missing(resource: string): never {
  throw new ConnectError(`no ${resource} with this id`, Code.NotFound);
}
