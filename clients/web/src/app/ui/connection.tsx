/** Shows the state of the connection: loudly when it is lost, quietly when all is well. */
import { useEffect, useState } from "preact/hooks";

import type { ConnectionState } from "../../lib";
import type { Chat } from "../state/chat";
import { Icon } from "./icon";

const WORDS: Record<ConnectionState, string> = {
  open: "Connected",
  connecting: "Connecting…",
  reconnecting: "Reconnecting…",
  closed: "Ready",
};

/** Changes that last shorter than this are not shown, in milliseconds. */
const CALM_MS = 600;

export function ConnectionPill({ chat }: { chat: Chat }) {
  const state = useCalm(chat.connection.value);
  const offline = useOffline();
  const words = offline ? "You are offline" : WORDS[state];
  const kind = offline ? "reconnecting" : state;
  const latency = state === "open" && chat.latencyMs.value > 0 ? ` (${Math.round(chat.latencyMs.value)} ms)` : "";
  return (
    <span class={`pill pill-${kind}`} role="status" title={words + latency} data-state={kind}>
      {offline ? <Icon name="offline" size={14} /> : <span class="dot" aria-hidden="true" />}
      <span class="pill-words">{words}</span>
    </span>
  );
}

/** The value, once it has stood for a moment; a connection that opens is shown at once. */
function useCalm(value: ConnectionState): ConnectionState {
  const [calm, setCalm] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setCalm(value), value === "open" ? 0 : CALM_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return calm;
}

function useOffline(): boolean {
  const [offline, setOffline] = useState(!navigator.onLine);
  useEffect(() => {
    const update = (): void => setOffline(!navigator.onLine);
    window.addEventListener("online", update);
    window.addEventListener("offline", update);
    return () => {
      window.removeEventListener("online", update);
      window.removeEventListener("offline", update);
    };
  }, []);
  return offline;
}
