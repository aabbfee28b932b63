/** Which page is shown, as the part of the address after `#`. */
import { signal } from "@preact/signals";

export type Route =
  | { readonly name: "chat"; readonly conversationId: string | undefined }
  | { readonly name: "knowledge" }
  | { readonly name: "gaps" };

export const route = signal<Route>(parse(location.hash));

window.addEventListener("hashchange", () => {
  route.value = parse(location.hash);
});

/** Goes to an address such as `#/knowledge`. `replace` leaves no step to come back to. */
export function go(hash: string, replace = false): void {
  if (replace) history.replaceState(null, "", hash);
  else history.pushState(null, "", hash);
  route.value = parse(hash);
}

/** The address of a conversation, or of a new one. */
export function chatAddress(conversationId?: string): string {
  return conversationId === undefined ? "#/" : `#/c/${conversationId}`;
}

function parse(hash: string): Route {
  if (hash.startsWith("#/knowledge")) return { name: "knowledge" };
  if (hash.startsWith("#/questions")) return { name: "gaps" };
  return { name: "chat", conversationId: /^#\/c\/([\w-]+)/.exec(hash)?.[1] };
}
