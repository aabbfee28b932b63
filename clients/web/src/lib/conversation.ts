/** One conversation: send, watch, stop. */
import { type Client } from "@connectrpc/connect";
import { type MessageInitShape } from "@bufbuild/protobuf";

import {
  type AnswerOptionsSchema,
  type CancelTurnResponse,
  type ChatContextSchema,
  type ChatService,
  type ConversationSchema,
  type SendMessageRequestSchema,
  WhileAnswering,
} from "./api";
import { Cursor } from "./cursor";
import { type DeskwireEvent, endsTurn } from "./events";
import { newRequestId } from "./request-id";
import { type Bundle, type ConnectionState, follow, type FollowOptions, type Patience, unbundled } from "./stream";

type Target = NonNullable<MessageInitShape<typeof SendMessageRequestSchema>["target"]>;

/** Which conversation to talk in: an existing one, the one of a session, or a new one with these fields. */
export type ConversationTarget =
  | { readonly id: string; readonly afterSequence?: bigint }
  | { readonly sessionId: string }
  | { readonly create: MessageInitShape<typeof ConversationSchema> };

/** What a conversation needs of its client. */
export interface ConversationLink {
  readonly chat: Client<typeof ChatService>;
  readonly patience: Patience;
  readonly context: MessageInitShape<typeof ChatContextSchema> | undefined;
  refreshToken(): Promise<boolean>;
}

/** How to ask for one answer. */
export interface TurnOptions {
  /** Ask again under the id of an earlier call and you join its turn instead of asking twice. */
  requestId?: string;
  /** What happens if an answer is running; it queues by default. */
  whileAnswering?: WhileAnswering;
  /** How the answer shall be made. */
  answer?: MessageInitShape<typeof AnswerOptionsSchema>;
  /** Person, page and platform, for this message in place of the client's. */
  context?: MessageInitShape<typeof ChatContextSchema>;
  /** Stops listening. The turn goes on: `cancel` stops it. */
  signal?: AbortSignal;
}

/** How to send one message. */
export interface SendOptions extends TurnOptions {
  /** Id of an earlier question that this one replaces: a branch begins in its place, and both are kept. */
  replaces?: string;
}

/** A conversation. Made by `DeskwireClient.conversation`. */
export class Conversation {
  readonly #link: ConversationLink;
  readonly #target: ConversationTarget;
  readonly #cursor: Cursor;
  readonly #listeners = new Set<(state: ConnectionState) => void>();
  /** Where messages under way were sent to: a repeat has to name the same place, also once the id is known. */
  readonly #sentTo = new Map<string, Target>();
  #states: ConnectionState[] = [];
  #id: string | undefined;

  constructor(link: ConversationLink, target: ConversationTarget) {
    this.#link = link;
    this.#target = target;
    this.#id = "id" in target ? target.id : undefined;
    this.#cursor = new Cursor("id" in target ? target.afterSequence : 0n);
  }

  /** The conversation's id; undefined until a new one, or one of a session, has given its first event. */
  get id(): string | undefined {
    return this.#id;
  }

  /** The sequence up to which every event was seen here. Keep it and pass it as `afterSequence` to go on later. */
  get afterSequence(): bigint {
    return this.#cursor.position;
  }

  /** Tells that everything up to a sequence is known, from a list of messages for instance. */
  advance(sequence: bigint): void {
    this.#cursor.advance(sequence);
  }

  /** State of the connection, the best of all streams that are open. */
  get state(): ConnectionState {
    const order: ConnectionState[] = ["open", "connecting", "reconnecting"];
    return order.find((state) => this.#states.includes(state)) ?? "closed";
  }

  /** Calls back at once and at every change of `state`. Returns the way to stop that. */
  onState(listener: (state: ConnectionState) => void): () => void {
    this.#listeners.add(listener);
    listener(this.state);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Sends a message and yields the events of its turn, through lost connections, until the turn ends. Nothing is
   * sent before the first value is asked for. Leaving the loop leaves the turn running: `cancel` stops it.
   *
   * @throws DeskwireError when the message is refused, or the server stays away for too long.
   */
  async *send(text: string, options: SendOptions = {}): AsyncGenerator<DeskwireEvent, void, void> {
    const { requestId = newRequestId(), whileAnswering = WhileAnswering.UNSPECIFIED, replaces = "" } = options;
    const replacing = replaces && { replacesMessageId: replaces };
    const message = { text, requestId, whileAnswering, ...replacing, ...(options.answer && { options: options.answer }) };
    const context = options.context ?? this.#link.context;
    const target = this.#sentTo.get(requestId) ?? this.#targetField();
    this.#sentTo.set(requestId, target);
    const request = { target, message, ...(context && { context }) };
    yield* this.#turn(
      (how, signal) => this.#link.chat.sendMessage({ ...request, ...how }, { signal }),
      (event) => event.type === "accepted" && event.message.requestId === requestId,
      options.signal,
    );
    this.#sentTo.delete(requestId);
  }

  /**
   * Asks for another answer to a question, named by its own id or that of an answer to it, and yields the events of the
   * new turn as `send` does. The earlier answer is kept on a branch of its own.
   *
   * @throws DeskwireError when it is refused, or the server stays away for too long.
   */
  async *regenerate(messageId: string, options: TurnOptions = {}): AsyncGenerator<DeskwireEvent, void, void> {
    const conversationId = this.#id;
    if (conversationId === undefined) throw new Error("a conversation has answers once it has an id");
    const { requestId = newRequestId(), whileAnswering = WhileAnswering.UNSPECIFIED, answer } = options;
    const context = options.context ?? this.#link.context;
    const given = { requestId, whileAnswering, ...(answer && { options: answer }), ...(context && { context }) };
    const request = { conversationId, messageId, ...given };
    yield* this.#turn(
      (how, signal) => this.#link.chat.regenerateAnswer({ ...request, ...how }, { signal }),
      (event) => event.type === "regenerated",
      options.signal,
    );
  }

  /**
   * Yields what happens in the conversation, missed events first, until the signal aborts or the loop is left.
   *
   * @throws DeskwireError when the conversation is not there, or the server stays away for too long.
   */
  async *watch(options: { signal?: AbortSignal } = {}): AsyncGenerator<DeskwireEvent, void, void> {
    const conversationId = this.#id;
    if (conversationId === undefined) throw new Error("a conversation can be watched once it has an id");
    const known = new Set<bigint>();
    const start = this.#cursor.position;
    const isKnown = (sequence: bigint): boolean => sequence > start && known.has(sequence);
    for (const sequence of this.#cursor.ahead) known.add(sequence);
    const events = this.#follow(options.signal, start, {
      open: (afterSequence, signal) =>
        unbundled(
          this.#link.chat.watchConversation(
            { conversationId, afterSequence: afterSequence ?? start, bundleEvents: true },
            { signal },
          ),
        ),
      isLast: () => false,
      mayWait: () => true,
    });
    for await (const event of events) {
      if (event.type === "missed" && event.reason === "CURSOR_AHEAD") known.clear();
      if (!isKnown(event.sequence)) yield event;
    }
  }

  /** Stops a turn, the running one if none is named. Works from any device. */
  async cancel(turnId = ""): Promise<CancelTurnResponse | undefined> {
    if (this.#id === undefined) return undefined;
    return this.#link.chat.cancelTurn({ conversationId: this.#id, turnId, requestId: newRequestId() });
  }

  /** The events of one turn, until it ends; `begins` knows the event that tells which turn it is. */
  async *#turn(
    open: (how: { bundleEvents: true; afterSequence?: bigint }, signal: AbortSignal) => AsyncIterable<Bundle>,
    begins: (event: DeskwireEvent) => boolean,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<DeskwireEvent, void, void> {
    let turnId: string | undefined;
    const events = this.#follow(signal, undefined, {
      open: (after, connection) => {
        const resume = after === undefined ? {} : { afterSequence: after };
        return unbundled(open({ bundleEvents: true, ...resume }, connection));
      },
      isLast: (event) => endsTurn(event) && event.turnId === turnId,
      mayWait: () => turnId !== undefined,
    });
    for await (const event of events) {
      if (turnId === undefined && begins(event)) turnId = event.turnId;
      yield event;
    }
  }

  #targetField(): Target {
    if (this.#id !== undefined) return { case: "conversationId", value: this.#id };
    if ("sessionId" in this.#target) return { case: "sessionId", value: this.#target.sessionId };
    return { case: "newConversation", value: "create" in this.#target ? this.#target.create : {} };
  }

  async *#follow(
    signal: AbortSignal | undefined,
    after: bigint | undefined,
    how: Pick<FollowOptions, "open" | "isLast" | "mayWait">,
  ): AsyncGenerator<DeskwireEvent, void, void> {
    let shown: ConnectionState = "closed";
    const onState = (state: ConnectionState): void => {
      this.#replaceState(shown, state);
      shown = state;
    };
    const events = follow({
      ...how,
      after,
      onState,
      refreshToken: () => this.#link.refreshToken(),
      patience: this.#link.patience,
      signal: signal ?? new AbortController().signal,
    });
    for await (const event of events) {
      if (event.conversationId !== "") this.#id ??= event.conversationId;
      if (event.type !== "missed") this.#cursor.note(event.sequence);
      else if (event.reason === "CURSOR_AHEAD") this.#cursor.rewind(event.resumedAfter);
      else this.#cursor.advance(event.resumedAfter);
      yield event;
    }
  }

  #replaceState(before: ConnectionState, after: ConnectionState): void {
    const old = this.state;
    const index = this.#states.indexOf(before);
    if (index >= 0) this.#states.splice(index, 1);
    if (after !== "closed") this.#states.push(after);
    if (this.state !== old) for (const listener of this.#listeners) listener(this.state);
  }
}
