/** The list of conversations in the side bar. */
import { batch, signal } from "@preact/signals";

import { api, DeskwireError, newRequestId } from "../../lib";
import { report, signOutIfRefused } from "./notices";
import { client, session } from "./session";

const PAGE = 30;

export const conversations = signal<readonly api.Conversation[]>([]);
export const listState = signal<"loading" | "ready" | "failed">("loading");
export const listError = signal<DeskwireError | undefined>(undefined);
export const search = signal("");
export const hasMore = signal(false);
let nextPage = "";
let asked = 0;

/** Loads the first page for what is searched; answers that come too late are dropped. */
export async function loadConversations(): Promise<void> {
  await load("");
}

/** Loads the next page. */
export async function loadMoreConversations(): Promise<void> {
  if (nextPage !== "") await load(nextPage);
}

/** Puts a conversation where its latest activity belongs. */
export function upsertConversation(conversation: api.Conversation): void {
  if (conversation.userId !== (session.value?.user ?? "")) return;
  const fits = conversation.title.toLowerCase().includes(search.value.trim().toLowerCase());
  const others = conversations.value.filter((other) => other.id !== conversation.id);
  if (fits) conversations.value = [conversation, ...others].sort((a, b) => updated(b) - updated(a));
}

/** Gives a conversation another title. */
export async function renameConversation(conversation: api.Conversation, title: string): Promise<void> {
  const request = {
    conversation: { id: conversation.id, title },
    updateMask: { paths: ["title"] },
    requestId: newRequestId(),
  };
  try {
    const response = await client.value?.conversations.updateConversation(request);
    const changed = response?.conversation;
    if (changed === undefined) return;
    conversations.value = conversations.value.map((other) => (other.id === changed.id ? changed : other));
  } catch (error) {
    report(error);
  }
}

async function load(pageToken: string): Promise<void> {
  const mine = ++asked;
  const query = search.value.trim();
  // Agents and administrators may see those of others: this list is of one's own.
  const userId = session.value?.user ?? "";
  if (pageToken === "" && conversations.value.length === 0) listState.value = "loading";
  try {
    const page = await client.value?.conversations.listConversations({ pageSize: PAGE, pageToken, query, userId });
    if (mine !== asked || page === undefined) return;
    batch(() => {
      conversations.value = pageToken === "" ? page.conversations : [...conversations.value, ...page.conversations];
      nextPage = page.nextPageToken;
      hasMore.value = nextPage !== "";
      listState.value = "ready";
    });
  } catch (error) {
    if (mine !== asked || signOutIfRefused(error)) return;
    listError.value = DeskwireError.from(error);
    listState.value = "failed";
  }
}

function updated({ updateTime }: api.Conversation): number {
  return Number(updateTime?.seconds ?? 0n) + (updateTime?.nanos ?? 0) / 1e9;
}
