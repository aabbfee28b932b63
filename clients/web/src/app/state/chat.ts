/** One open conversation: loads it, follows it, sends and stops. */
import { batch, computed, signal } from "@preact/signals";

import {
  api,
  type ConnectionState,
  type Conversation,
  DeskwireError,
  type DeskwireClient,
  type DeskwireEvent,
  endsTurn,
  newRequestId,
} from "../../lib";
import {
  type Answer, branches, cut, type Item, itemOf, judge, messageIdOf, prepend, type Question, reduce, runningAnswer,
} from "../model/transcript";
import { explainReason } from "../text/explain";
import { toDate } from "../text/time";
import { loadConversations, upsertConversation } from "./conversations";
import { notify, report, signOutIfRefused } from "./notices";
import { session } from "./session";

const PAGE = 50;
/** How long somebody who types elsewhere is shown without further notice, in milliseconds. */
const TYPING_MS = 8_000;

/** Provider that answers by default; kept over conversations, as it is the server's. */
export const provider = signal("");
export const degraded = signal<readonly string[]>([]);

/** A message whose branch the reader has just chosen, and the way they went. */
interface Chosen {
  readonly messageId: string;
  readonly step: "left" | "right";
}

/** The model behind the chat page. One for each conversation; `close` it before the next. */
export class Chat {
  readonly items = signal<readonly Item[]>([]);
  readonly load = signal<"idle" | "loading" | "ready" | "failed">("idle");
  readonly loadError = signal<DeskwireError | undefined>(undefined);
  readonly hasEarlier = signal(false);
  readonly connection = signal<ConnectionState>("closed");
  readonly latencyMs = signal(0);
  readonly details = signal<api.Conversation | undefined>(undefined);
  /** Somebody other than the assistant who types now. */
  readonly typist = signal<api.MessageRole | undefined>(undefined);
  readonly estimateMs = signal<number | undefined>(undefined);
  readonly sending = signal(0);
  readonly running = computed(() => runningAnswer(this.items.value));
  readonly busy = computed(() => this.sending.value > 0 || this.running.value !== undefined);
  readonly ended = computed(() => (this.details.value?.status ?? 0) > api.ConversationStatus.ACTIVE);

  readonly #client: DeskwireClient;
  readonly #conversation: Conversation;
  readonly #life = new AbortController();
  readonly #sends = new Map<string, AbortController>();
  #watch: AbortController | undefined;
  #onCreated: ((id: string) => void) | undefined;
  #earlierPage = "";
  #chosen: Chosen | undefined;
  /** A turn began another branch: once it has ended, the alternatives of its messages are asked for. */
  #branched = false;
  #typingTimer: ReturnType<typeof setTimeout> | undefined;

  /** @param onCreated Told once, when a new conversation has got its id. */
  constructor(client: DeskwireClient, conversationId: string | undefined, onCreated: (id: string) => void) {
    this.#onCreated = conversationId === undefined ? onCreated : undefined;
    this.#client = client;
    this.#conversation = client.conversation(conversationId === undefined ? { create: {} } : { id: conversationId });
    this.#conversation.onState((state) => (this.connection.value = state));
    document.addEventListener("visibilitychange", this.#onVisibility);
    if (conversationId !== undefined) void this.open();
  }

  /** Whether the conversation belongs to the person who looks at it. */
  get isOwn(): boolean {
    const owner = this.details.value?.userId ?? "";
    return owner === "" || owner === session.value?.user;
  }

  get id(): string | undefined {
    return this.#conversation.id;
  }

  /** Loads the newest messages and follows the conversation from there. */
  async open(): Promise<void> {
    const conversationId = this.id ?? "";
    this.load.value = "loading";
    try {
      // In this order: what comes in between is then among the messages, and again among the events.
      const { conversation } = await this.#client.conversations.getConversation({ conversationId });
      const page = await this.#client.conversations.listMessages({ conversationId, pageSize: PAGE, newestFirst: true });
      const messages = page.messages.reverse();
      this.#conversation.advance(seen(conversation, messages));
      batch(() => {
        this.details.value = conversation;
        this.items.value = prepend(this.items.value, messages.map(toItem));
        this.#rememberPage(page.nextPageToken);
        this.load.value = "ready";
      });
      this.#follow();
    } catch (error) {
      if (this.#life.signal.aborted || signOutIfRefused(error)) return;
      this.loadError.value = DeskwireError.from(error);
      this.load.value = "failed";
    }
  }

  /** Loads the messages before those that are shown. */
  async loadEarlier(): Promise<void> {
    if (this.#earlierPage === "") return;
    const request = { conversationId: this.id ?? "", pageSize: PAGE, newestFirst: true, pageToken: this.#earlierPage };
    try {
      const page = await this.#client.conversations.listMessages(request);
      this.items.value = prepend(this.items.value, page.messages.reverse().map(toItem));
      this.#rememberPage(page.nextPageToken);
    } catch (error) {
      report(error);
    }
  }

  /**
   * Sends a message, in place of the earlier question `replaces` if there is one. `requestId` of an earlier try makes the
   * server answer it once.
   */
  async send(text: string, requestId: string = newRequestId(), replaces = ""): Promise<void> {
    const replacing = replaces === "" ? undefined : { replaces };
    const question: Question = {
      kind: "question", id: requestId, messageId: "", turnId: "", text, time: new Date(), state: "sending", alternatives: [],
      ...replacing,
    };
    const listening = new AbortController();
    this.#sends.set(requestId, listening);
    this.items.value = [...this.items.value.filter((item) => item.id !== requestId), question];
    const signal = AbortSignal.any([this.#life.signal, listening.signal]);
    try {
      await this.#listen(this.#conversation.send(text, { requestId, signal, ...replacing }));
    } catch (error) {
      this.#sendFailed(requestId, DeskwireError.from(error));
    } finally {
      this.#sends.delete(requestId);
    }
  }

  /** Asks a question once more in other words. The earlier one and what followed it stay on their branch. */
  async edit(question: Question, text: string): Promise<void> {
    this.items.value = cut(this.items.value, question.messageId, "nothing");
    this.#branched = true;
    await this.send(text, newRequestId(), question.messageId);
  }

  /** Asks for another answer in place of this one, which stays on its branch. */
  async regenerate(answer: Answer): Promise<void> {
    try {
      const last = await this.#listen(this.#conversation.regenerate(answer.id, { signal: this.#life.signal }));
      if (last?.type !== "failed" || last.partial !== undefined) return;
      // There is no way back from a place without an answer: the earlier one is shown again.
      this.items.value = this.items.value.filter((item) => item.kind !== "failure" || item.turnId !== last.turnId);
      notify(explainReason(last.reason).title, "error");
      await this.select(answer.id);
    } catch (error) {
      if (!this.#life.signal.aborted) report(error);
    }
  }

  /** Shows the branch that a message is on, here and on every device. `step` is the way that the reader goes, if they do. */
  async select(messageId: string, step?: Chosen["step"]): Promise<void> {
    const request = { conversationId: this.id ?? "", messageId, requestId: newRequestId() };
    try {
      const { conversation } = await this.#client.conversations.selectBranch(request);
      if (conversation) this.details.value = conversation;
      this.#chosen = step && { messageId, step };
      await this.#reload();
    } catch (error) {
      report(error);
    }
  }

  /** The message that was chosen since the last time, to bring its place into view. */
  takeChosen(): Chosen | undefined {
    const chosen = this.items.value.some((item) => messageIdOf(item) === this.#chosen?.messageId) ? this.#chosen : undefined;
    if (chosen) this.#chosen = undefined;
    return chosen;
  }

  /** Stops the running answer; a message that has not arrived yet is not sent any more. */
  async stop(): Promise<void> {
    const waiting = this.items.value.find((item) => item.kind === "question" && item.state === "sending");
    const running = this.running.value;
    if (running === undefined && waiting !== undefined) this.#sends.get(waiting.id)?.abort();
    try {
      await this.#conversation.cancel(running?.turnId);
    } catch (error) {
      report(error);
    }
  }

  /** Tells what the reader thinks of an answer; shown at once, and taken back when the server refuses it. */
  async judge(answer: Answer, sentiment: api.FeedbackSentiment): Promise<void> {
    if (answer.sentiment === sentiment) return;
    this.items.value = judge(this.items.value, answer.id, sentiment);
    const request = { conversationId: this.id ?? "", messageId: answer.id, sentiment, requestId: newRequestId() };
    try {
      await this.#client.feedback.submitFeedback(request);
    } catch (error) {
      if (this.#life.signal.aborted) return;
      this.items.value = judge(this.items.value, answer.id, answer.sentiment);
      report(error);
    }
  }

  /** Takes a message back that was refused; what it was to replace is shown again. */
  async discard({ id, replaces }: Question): Promise<void> {
    this.items.value = this.items.value.filter((item) => item.id !== id);
    if (replaces !== undefined) await this.#reload().catch(report);
  }

  /** Lets everything go. Running answers go on at the server. */
  close(): void {
    document.removeEventListener("visibilitychange", this.#onVisibility);
    clearTimeout(this.#typingTimer);
    this.#life.abort();
    this.#unfollow();
  }

  /** Shows the events of a turn of one's own; what others do in the conversation meanwhile comes after it. */
  async #listen(events: AsyncIterable<DeskwireEvent>): Promise<DeskwireEvent | undefined> {
    let last: DeskwireEvent | undefined;
    this.sending.value += 1;
    this.#unfollow();
    try {
      for await (const event of events) this.#apply((last = event));
      return last;
    } finally {
      this.sending.value -= 1;
      if (this.sending.value === 0) this.#follow();
    }
  }

  /** Shows the active branch as the server has it. What is not sent yet, and failures at the end, stay. */
  async #reload(): Promise<void> {
    const request = { conversationId: this.id ?? "", pageSize: PAGE, newestFirst: true };
    const page = await this.#client.conversations.listMessages(request);
    if (this.#life.signal.aborted) return;
    if (this.busy.value) {
      this.#branched = true;
      return;
    }
    const shown = page.messages.reverse().map(toItem);
    const rest = this.items.value.filter(
      (item, place, all) => (item.kind === "question" && item.state !== "sent") || (item.kind === "failure" && place === all.length - 1),
    );
    batch(() => {
      this.items.value = [...shown, ...rest];
      this.#rememberPage(page.nextPageToken);
    });
  }

  /** Asks for the branches once nothing runs any more; the next turn does it when this fails. */
  #reloadLater(): void {
    if (!this.#branched || this.running.value !== undefined) return;
    this.#branched = false;
    // After the stream of the turn has ended here as well.
    setTimeout(() => {
      this.#reload().catch((error: unknown) => {
        this.#branched = true;
        if (!this.#life.signal.aborted) signOutIfRefused(error);
      });
    });
  }

  readonly #onVisibility = (): void => {
    // Browsers allow six connections to an origin: a hidden tab gives its own back.
    if (document.visibilityState === "hidden") this.#unfollow();
    else if (this.sending.value === 0) this.#follow();
  };

  #follow(): void {
    if (this.id === undefined || this.#watch !== undefined || this.#life.signal.aborted) return;
    this.#watch = new AbortController();
    void this.#watchWith(this.#watch);
  }

  #unfollow(): void {
    this.#watch?.abort();
    this.#watch = undefined;
  }

  async #watchWith(watch: AbortController): Promise<void> {
    try {
      for await (const event of this.#conversation.watch({ signal: watch.signal })) this.#apply(event);
    } catch (error) {
      if (watch.signal.aborted || signOutIfRefused(error)) return;
      this.#watch = undefined;
      if (DeskwireError.from(error).transient) this.#followLater();
      else report(error);
    }
  }

  #followLater(): void {
    const retry = (): void => {
      window.removeEventListener("online", retry);
      window.removeEventListener("focus", retry);
      this.#follow();
    };
    window.addEventListener("online", retry);
    window.addEventListener("focus", retry);
  }

  #apply(event: DeskwireEvent): void {
    if (this.#life.signal.aborted) return;
    if (this.id !== undefined) {
      this.#onCreated?.(this.id);
      this.#onCreated = undefined;
    }
    this.#branched ||= event.type === "missed" || branches(this.items.value, event);
    batch(() => {
      this.items.value = reduce(this.items.value, event, new Date());
      if (event.type === "status") {
        provider.value = event.provider;
        degraded.value = event.degraded;
        this.latencyMs.value = event.latencyMs;
        if (event.conversation) this.#noteDetails(event.conversation);
      } else if (event.type === "changed") this.#noteChange(event.conversation);
      else if (event.type === "typing") this.#noteTyping(event.role, event.isTyping, event.estimateMs);
      else if (event.type === "text") this.estimateMs.value = undefined;
    });
    // A first question gives the conversation its title, an answer may change it.
    if (event.type === "accepted" || endsTurn(event)) void loadConversations();
    if (endsTurn(event) || event.type === "changed" || event.type === "missed") this.#reloadLater();
  }

  #noteChange(conversation: api.Conversation): void {
    this.#noteDetails(conversation);
    const head = conversation.headMessageId;
    const shown = this.items.value.at(-1);
    const last = shown && messageIdOf(shown);
    // Another device chose another branch.
    if (head !== "" && !this.busy.value && shown?.kind !== "failure" && head !== last) this.#branched = true;
  }

  #noteDetails(conversation: api.Conversation): void {
    this.details.value = conversation;
    if (conversation.messageCount > 0) upsertConversation(conversation);
  }

  #noteTyping(role: api.MessageRole, isTyping: boolean, estimateMs: number | undefined): void {
    if (role === api.MessageRole.ASSISTANT) {
      this.estimateMs.value = isTyping ? estimateMs : undefined;
      return;
    }
    clearTimeout(this.#typingTimer);
    this.typist.value = isTyping ? role : undefined;
    if (isTyping) this.#typingTimer = setTimeout(() => (this.typist.value = undefined), TYPING_MS);
  }

  #sendFailed(requestId: string, error: DeskwireError): void {
    if (this.#life.signal.aborted || signOutIfRefused(error)) return;
    this.items.value = this.items.value.map((item) =>
      item.kind === "question" && item.id === requestId && item.state === "sending"
        ? { ...item, state: "refused", error }
        : item,
    );
  }

  #rememberPage(token: string): void {
    this.#earlierPage = token;
    this.hasEarlier.value = token !== "";
  }
}

/**
 * Events up to this sequence say nothing that the messages don't. Those of other branches would be replayed otherwise; only
 * a turn that runs, or ended without an answer, needs all since its question.
 */
function seen(conversation: api.Conversation | undefined, messages: readonly api.Message[]): bigint {
  const last = messages.at(-1);
  const unanswered = last?.role === api.MessageRole.USER && last.alternativeMessageIds.length === 0;
  if (conversation?.activeTurnId === "" && !unanswered) return conversation.lastSequence;
  return messages.reduce((last, { sequence }) => (sequence > last ? sequence : last), 0n);
}

function toItem(message: api.Message): Item {
  return itemOf(message, toDate(message.createTime) ?? new Date());
}
