/** Short notices that come and go. */
import { signal } from "@preact/signals";

import { explain } from "../text/explain";
import { DeskwireError } from "../../lib";
import { signOut } from "./session";

export interface Notice {
  readonly id: number;
  readonly kind: "info" | "error";
  readonly text: string;
}

const SHOWN_MS = 6_000;

export const notices = signal<readonly Notice[]>([]);
let lastId = 0;

/** Shows a notice for some seconds. */
export function notify(text: string, kind: Notice["kind"] = "info"): void {
  const id = ++lastId;
  notices.value = [...notices.value.slice(-2), { id, kind, text }];
  setTimeout(() => dismiss(id), SHOWN_MS);
}

/** Takes a notice away. */
export function dismiss(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

/** Deals with a failed call: a refused token leads to the sign-in, everything else to a notice. */
export function report(error: unknown): void {
  if (signOutIfRefused(error)) return;
  const { title, advice } = explain(error);
  notify(`${title}. ${advice}`, "error");
}

/** Whether the error was a refused token; the person has to sign in again then. */
export function signOutIfRefused(error: unknown): boolean {
  const { reason } = DeskwireError.from(error);
  if (!reason.startsWith("TOKEN_") || reason === "TOKEN_BUDGET_EXHAUSTED") return false;
  const { title, advice } = explain(error);
  signOut(`${title}. ${advice}`);
  return true;
}
