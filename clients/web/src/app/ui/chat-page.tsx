/** The chat: a conversation with its composer, and the source that is open beside it. */
import { useEffect, useRef, useState } from "preact/hooks";

import { Chat, degraded, provider } from "../state/chat";
import { drawerOpen, narrow, openSource } from "../state/layout";
import { chatAddress, go, type Route } from "../state/router";
import { client } from "../state/session";
import { Composer } from "./composer";
import { ConnectionPill } from "./connection";
import { Icon, Logo } from "./icon";
import { IconButton, Skeleton, Trouble } from "./pieces";
import { SourcePanel } from "./source-panel";
import { Transcript } from "./transcript";

/** Topics offered in an empty conversation, drawn from as many articles. */
const STARTERS = 4;
const ARTICLES_TO_DRAW_FROM = 60;

type ChatRoute = Extract<Route, { name: "chat" }>;

/** Keeps one `Chat` for the route; a new conversation that gets its id stays the same one. */
function useChat(route: ChatRoute): Chat | undefined {
  const [chat, setChat] = useState<Chat>();
  const current = useRef<Chat | undefined>(undefined);
  const signedIn = client.value;
  useEffect(() => {
    const { conversationId } = route;
    if (signedIn === undefined) return;
    if (conversationId !== undefined && current.current?.id === conversationId) return;
    current.current?.close();
    openSource.value = undefined;
    const opened = new Chat(signedIn, conversationId, (id) => {
      if (current.current === opened) go(chatAddress(id), true);
    });
    current.current = opened;
    setChat(opened);
  }, [signedIn, route]);
  useEffect(() => () => current.current?.close(), []);
  return chat;
}

/** The chat of a route. Another route, also an equal one, opens another chat. */
export function ChatPage({ route }: { route: ChatRoute }) {
  const chat = useChat(route);
  return chat ? <OpenChat chat={chat} /> : null;
}

function OpenChat({ chat }: { chat: Chat }) {
  const title = chat.details.value?.title ?? "";
  useEffect(() => {
    document.title = title ? `${title} · Deskwire` : "Deskwire";
  }, [title]);
  const source = openSource.value;
  return (
    <>
      <main id="main" tabIndex={-1} class="chat" inert={narrow.value && (drawerOpen.value || source !== undefined)}>
        <header class="topbar">
          {narrow.value && <IconButton icon="menu" label="Open the list" onClick={() => (drawerOpen.value = true)} />}
          <h1 class="topbar-title">{title || "New conversation"}</h1>
          <ConnectionPill chat={chat} />
        </header>
        <Body chat={chat} />
        <footer class="dock">
          <Composer chat={chat} />
          <Footnote />
        </footer>
      </main>
      {source && <SourcePanel key={`${source.articleId} ${source.startOffset}`} citation={source} />}
    </>
  );
}

function Body({ chat }: { chat: Chat }) {
  if (chat.load.value === "loading" && chat.items.value.length === 0) {
    return <div class="transcript"><div class="column"><Skeleton lines={7} label="Loading the conversation" /></div></div>;
  }
  if (chat.load.value === "failed" && chat.loadError.value) {
    return <div class="transcript"><Trouble error={chat.loadError.value} onRetry={() => void chat.open()} /></div>;
  }
  if (chat.items.value.length === 0) return <Welcome chat={chat} />;
  return <Transcript chat={chat} />;
}

/** Titles from all over the knowledge: what can be asked here. */
function useTopics(): readonly string[] {
  const [topics, setTopics] = useState<readonly string[]>([]);
  const signedIn = client.value;
  useEffect(() => {
    let current = true;
    signedIn?.knowledge.listArticles({ pageSize: ARTICLES_TO_DRAW_FROM }).then(
      ({ articles }) => {
        const step = Math.max(1, Math.floor(articles.length / STARTERS));
        const drawn = articles.filter((_, index) => index % step === 0).slice(0, STARTERS);
        if (current) setTopics(drawn.map(({ title }) => title));
      },
      // Nobody misses topics that are not offered.
      () => undefined,
    );
    return () => {
      current = false;
    };
  }, [signedIn]);
  return topics;
}

function Welcome({ chat }: { chat: Chat }) {
  const topics = useTopics();
  return (
    <div class="transcript welcome">
      <Logo size={48} />
      <h2>How can I help?</h2>
      <p>Ask about anything in the help centre. Every answer names its sources.</p>
      <ul class="starters" aria-label="Topics">
        {topics.map((topic) => (
          <li key={topic}>
            <button type="button" class="starter" onClick={() => void chat.send(topic)}>
              <span>{topic}</span> <Icon name="right" size={16} />
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Footnote() {
  if (degraded.value.length > 0) {
    return <p class="footnote">Running with reduced service: {degraded.value.join(", ")} is away.</p>;
  }
  if (provider.value === "builtin") {
    return <p class="footnote">No model key is set: answers quote your articles.</p>;
  }
  return <p class="footnote">Answers can be wrong. Check the sources.</p>;
}
