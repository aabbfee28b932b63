/** The administrators' view of what the knowledge does not answer yet. */
import { batch, signal } from "@preact/signals";

import { api, DeskwireError, newRequestId } from "../../lib";
import { report, signOutIfRefused } from "./notices";
import { client } from "./session";

const PAGE = 50;

export const gaps = signal<readonly api.KnowledgeGap[]>([]);
export const gapsState = signal<"loading" | "ready" | "failed">("loading");
export const gapsError = signal<DeskwireError | undefined>(undefined);
export const hasMoreGaps = signal(false);
let nextPage = "";

/** Loads the open gaps, those asked most often first; with `more` the next page of them. */
export async function loadGaps(more = false): Promise<void> {
  if (!more) gapsState.value = "loading";
  try {
    const page = await client.value?.gaps.listKnowledgeGaps({ pageSize: PAGE, pageToken: more ? nextPage : "" });
    if (page === undefined) return;
    batch(() => {
      gaps.value = more ? [...gaps.value, ...page.gaps] : page.gaps;
      nextPage = page.nextPageToken;
      hasMoreGaps.value = nextPage !== "";
      gapsState.value = "ready";
    });
  } catch (error) {
    if (signOutIfRefused(error)) return;
    gapsError.value = DeskwireError.from(error);
    gapsState.value = "failed";
  }
}

/** The latest questions of a gap. */
export async function questionsOf(gapId: string): Promise<readonly api.KnowledgeGapQuestion[]> {
  const found = await client.value?.gaps.getKnowledgeGap({ gapId });
  return found?.gap?.questions ?? [];
}

/** Takes a gap off the list: an article answers it, or it needs none. */
export async function closeGap(gapId: string, articleId = ""): Promise<void> {
  try {
    await client.value?.gaps.closeKnowledgeGap({ gapId, articleId, requestId: newRequestId() });
    gaps.value = gaps.value.filter(({ id }) => id !== gapId);
  } catch (error) {
    report(error);
  }
}
