/** The side bar: a new conversation, the list of conversations with search, and who is signed in. */
import { useEffect, useState } from "preact/hooks";

import type { api } from "../../lib";
import {
  conversations, hasMore, listError, listState, loadConversations, loadMoreConversations, renameConversation, search,
} from "../state/conversations";
import { drawerOpen, narrow } from "../state/layout";
import { chatAddress, go, route } from "../state/router";
import { isAdmin, session, signOut } from "../state/session";
import { nextTheme, theme } from "../state/theme";
import { ageGroup, toDate } from "../text/time";
import { Icon, Logo } from "./icon";
import { IconButton, Skeleton, Trouble } from "./pieces";

const SEARCH_DELAY_MS = 200;

export function Sidebar() {
  useEffect(() => {
    void loadConversations();
  }, []);
  const close = (): boolean => (drawerOpen.value = false);
  return (
    <aside class="sidebar" aria-label="Conversations" inert={narrow.value && !drawerOpen.value}>
      <div class="sidebar-head">
        <Logo />
        <span class="wordmark">Deskwire</span>
        {narrow.value && <IconButton icon="close" label="Close the list" onClick={close} />}
      </div>
      <nav class="sidebar-nav" aria-label="Main">
        <NavLink href="#/" icon="plus" label="New conversation" current={false} />
        {isAdmin.value && (
          <>
            <NavLink href="#/knowledge" icon="book" label="Knowledge" current={route.value.name === "knowledge"} />
            <NavLink href="#/questions" icon="question" label="Open questions" current={route.value.name === "gaps"} />
          </>
        )}
      </nav>
      <SearchBox />
      <div class="sidebar-list"><List /></div>
      <Account />
    </aside>
  );
}

function NavLink(props: { href: string; icon: "plus" | "book" | "question"; label: string; current: boolean }) {
  const onClick = (event: MouseEvent): void => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    drawerOpen.value = false;
    go(props.href);
  };
  return (
    <a class="nav-link" href={props.href} aria-current={props.current ? "page" : undefined} onClick={onClick}>
      <Icon name={props.icon} /> {props.label}
    </a>
  );
}

function SearchBox() {
  const [text, setText] = useState(search.value);
  useEffect(() => {
    if (text === search.value) return undefined;
    const timer = setTimeout(() => {
      search.value = text;
      void loadConversations();
    }, SEARCH_DELAY_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <label class="search">
      <Icon name="search" size={16} />
      <span class="sr-only">Search conversations</span>
      <input
        type="search"
        placeholder="Search conversations"
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => event.key === "Escape" && setText("")}
      />
    </label>
  );
}

function List() {
  if (listState.value === "loading") return <Skeleton lines={6} label="Loading conversations" />;
  if (listState.value === "failed" && listError.value && conversations.value.length === 0) {
    return <Trouble error={listError.value} onRetry={() => void loadConversations()} />;
  }
  if (conversations.value.length === 0) {
    return <p class="sidebar-empty">{search.value ? "Nothing found." : "Your conversations will be listed here."}</p>;
  }
  return (
    <>
      {grouped(conversations.value).map(([name, group]) => (
        <section key={name} aria-label={name}>
          <h2 class="group-title">{name}</h2>
          <ul class="conversation-list">{group.map((one) => <Entry key={one.id} conversation={one} />)}</ul>
        </section>
      ))}
      {hasMore.value && (
        <button type="button" class="button button-quiet button-wide" onClick={() => void loadMoreConversations()}>
          Show more
        </button>
      )}
    </>
  );
}

function Entry({ conversation }: { conversation: api.Conversation }) {
  const [editing, setEditing] = useState(false);
  const address = chatAddress(conversation.id);
  const current = route.value.name === "chat" && route.value.conversationId === conversation.id;
  const title = conversation.title || "New conversation";
  if (editing) return <li class="entry"><TitleField conversation={conversation} onDone={() => setEditing(false)} /></li>;
  return (
    <li class="entry">
      <a
        href={address}
        class="entry-link"
        aria-current={current ? "page" : undefined}
        title={title}
        onClick={() => (drawerOpen.value = false)}
      >
        {title}
      </a>
      <IconButton icon="edit" size={14} class="entry-edit" label={`Rename ${title}`} onClick={() => setEditing(true)} />
    </li>
  );
}

function TitleField({ conversation, onDone }: { conversation: api.Conversation; onDone: () => void }) {
  const finish = (title: string): void => {
    onDone();
    if (title !== "" && title !== conversation.title) void renameConversation(conversation, title);
  };
  return (
    <input
      class="entry-input"
      aria-label="Title"
      maxLength={200}
      defaultValue={conversation.title}
      ref={(input) => {
        if (input && document.activeElement !== input) input.select();
      }}
      onKeyDown={(event) => {
        if (event.key === "Enter") finish(event.currentTarget.value.trim());
        if (event.key === "Escape") onDone();
      }}
      onBlur={(event) => finish(event.currentTarget.value.trim())}
    />
  );
}

function grouped(all: readonly api.Conversation[]): [string, api.Conversation[]][] {
  const now = new Date();
  const groups = new Map<string, api.Conversation[]>();
  for (const conversation of all) {
    const name = ageGroup(toDate(conversation.updateTime) ?? now, now);
    groups.set(name, [...(groups.get(name) ?? []), conversation]);
  }
  return [...groups];
}

const THEME_ICONS = { system: "monitor", light: "sun", dark: "moon" } as const;
const ROLES: Record<string, string> = { user: "Customer", agent: "Agent", admin: "Administrator", service: "Service" };

function Account() {
  const who = session.value;
  if (who === undefined) return null;
  return (
    <div class="account">
      <span class="avatar" aria-hidden="true">{(who.user[0] ?? "?").toUpperCase()}</span>
      <span class="account-name">
        <span>{who.user}</span>
        <span class="account-role">{[ROLES[who.role] ?? who.role, who.tenant].filter(Boolean).join(" · ")}</span>
      </span>
      <IconButton icon={THEME_ICONS[theme.value]} label={`Appearance: ${theme.value}`} onClick={nextTheme} />
      <IconButton icon="signOut" label="Sign out" onClick={() => signOut()} />
    </div>
  );
}
