/** What is open beside the main part of the page. */
import { signal } from "@preact/signals";

import type { api } from "../../lib";

/** Whether the list of conversations is open on a narrow screen. */
export const drawerOpen = signal(false);
/** The source that is shown beside the conversation. */
export const openSource = signal<api.Citation | undefined>(undefined);
/** Whether the screen is too narrow to show things side by side. */
export const narrow = signal(false);

const query = window.matchMedia("(max-width: 899px)");
narrow.value = query.matches;
query.addEventListener("change", () => {
  narrow.value = query.matches;
  drawerOpen.value = false;
});
