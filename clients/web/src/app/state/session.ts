/** Who is signed in. Kept for the tab's life; nothing is stored in cookies. */
import { computed, signal } from "@preact/signals";

import { DeskwireClient, type TokenSource } from "../../lib";
import { backend } from "./backend";

/** A signed-in person. */
export interface Session {
  readonly token: string;
  readonly user: string;
  readonly role: string;
  readonly tenant: string;
  /** Whether the token came from the demo and may be fetched anew. */
  readonly demo: boolean;
}

/** A token that a demo server hands out. */
export interface DemoToken {
  readonly token: string;
  readonly user: string;
  readonly role: string;
}

const KEY = "deskwire.session";

export const session = signal<Session | undefined>(restore());
/** Why somebody was signed out, shown above the form. */
export const signedOutBecause = signal("");
/** The client of the person who is signed in. */
export const client = computed(() => session.value && makeClient(session.value));
export const isAdmin = computed(() => session.value?.role === "admin" || session.value?.role === "service");

/** Signs in with a token. Returns what is wrong with it, if that can be seen from here. */
export function signIn(token: string, demo: boolean): string | undefined {
  const claims = readClaims(token.trim());
  if (claims === undefined) return "This doesn't look like a token. Check that you copied all of it.";
  keep({ token: token.trim(), demo, ...claims });
  signedOutBecause.value = "";
  return undefined;
}

/** Signs out, here and nowhere else. */
export function signOut(because = ""): void {
  signedOutBecause.value = because;
  sessionStorage.removeItem(KEY);
  session.value = undefined;
}

/** A token for trying the page out; undefined where the server does not hand any out. */
export async function fetchDemoToken(role: string): Promise<DemoToken | undefined> {
  try {
    const response = await backend.fetch(`/demo-token?role=${encodeURIComponent(role)}`);
    return response.ok ? ((await response.json()) as DemoToken) : undefined;
  } catch {
    // Without a connection there is no demo token; the form works without one.
    return undefined;
  }
}

function makeClient(start: Session): DeskwireClient {
  let { token } = start;
  const source: TokenSource = async ({ refresh }) => {
    if (refresh && start.demo) {
      const fresh = await fetchDemoToken(start.role);
      if (fresh !== undefined) {
        token = fresh.token;
        sessionStorage.setItem(KEY, JSON.stringify({ ...start, token }));
      }
    }
    return token;
  };
  return new DeskwireClient({ ...backend, token: source });
}

function keep(value: Session): void {
  sessionStorage.setItem(KEY, JSON.stringify(value));
  session.value = value;
}

function restore(): Session | undefined {
  const stored = sessionStorage.getItem(KEY);
  return stored === null ? undefined : (JSON.parse(stored) as Session);
}

/** Reads the claims that the page shows. The server alone decides what they are worth. */
function readClaims(token: string): Pick<Session, "user" | "role" | "tenant"> | undefined {
  const payload = token.split(".")[1];
  if (payload === undefined) return undefined;
  try {
    const bytes = Uint8Array.from(atob(payload.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    const text = (name: string): string => (typeof claims[name] === "string" ? claims[name] : "");
    return { user: text("sub"), role: text("role"), tenant: text("tenant") };
  } catch {
    // Not a token: told to the person by the caller.
    return undefined;
  }
}
