/** The page as a whole: sign-in, or the side bar with what the route names. */
import { useEffect } from "preact/hooks";

import { drawerOpen, narrow, openSource } from "../state/layout";
import { go, route } from "../state/router";
import { isAdmin, session } from "../state/session";
import { ChatPage } from "./chat-page";
import { GapsPage } from "./gaps-page";
import { KnowledgePage } from "./knowledge-page";
import { Notices } from "./pieces";
import { Sidebar } from "./sidebar";
import { SignIn } from "./sign-in";

export function App() {
  useEscape();
  if (session.value === undefined) return <SignIn />;
  return (
    <div class="shell">
      <a class="skip" href="#main" onClick={skip}>Skip to the content</a>
      <Sidebar />
      {narrow.value && drawerOpen.value && (
        <div class="backdrop" onClick={() => (drawerOpen.value = false)} />
      )}
      <Page key={session.value.token} />
      <Notices />
    </div>
  );
}

function Page() {
  const current = route.value;
  const allowed = current.name === "chat" || isAdmin.value;
  useEffect(() => {
    if (!allowed) go("#/", true);
  }, [allowed]);
  if (current.name === "chat") return <ChatPage route={current} />;
  if (!allowed) return null;
  return current.name === "knowledge" ? <KnowledgePage /> : <GapsPage />;
}

/** The part after `#` names the page, so the link moves the focus by itself. */
function skip(event: MouseEvent): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

/** Escape closes what is open, the topmost first. Dialogs do so by themselves. */
function useEscape(): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]")) return;
      if (drawerOpen.value) drawerOpen.value = false;
      else openSource.value = undefined;
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
}
