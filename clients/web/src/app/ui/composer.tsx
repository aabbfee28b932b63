/** Where people write: Enter sends, Shift+Enter makes a new line, `/` comes here from anywhere. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import type { Chat } from "../state/chat";
import { chatAddress, go } from "../state/router";
import { Icon } from "./icon";

/** Longest message of the contract, in characters. */
const MAX_LENGTH = 8_000;
const WARN_FROM = 7_500;
const MAX_HEIGHT = 220;

export function Composer({ chat }: { chat: Chat }) {
  const [text, setText] = useState("");
  const box = useRef<HTMLTextAreaElement>(null);
  const length = Array.from(text).length;
  const canSend = text.trim() !== "" && length <= MAX_LENGTH && !chat.ended.value;

  useLayoutEffect(() => {
    if (box.current === null) return;
    box.current.style.height = "auto";
    box.current.style.height = `${Math.min(box.current.scrollHeight, MAX_HEIGHT)}px`;
  }, [text]);
  useFocusKey(box);
  useEffect(() => {
    if (window.matchMedia("(hover: hover)").matches) box.current?.focus();
  }, [chat]);

  const send = (): void => {
    if (!canSend) return;
    void chat.send(text.trim());
    setText("");
    box.current?.focus();
  };

  if (chat.ended.value) {
    return (
      <div class="composer composer-ended">
        <p>This conversation has ended.</p>
        <button type="button" class="button" onClick={() => go(chatAddress())}>Start a new one</button>
      </div>
    );
  }
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <label class="sr-only" for="message">Message</label>
      <textarea
        id="message"
        ref={box}
        rows={1}
        placeholder="Ask a question"
        value={text}
        enterkeyhint="send"
        aria-keyshortcuts="/"
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          send();
        }}
      />
      <div class="composer-bar">
        <span class="composer-hint" aria-hidden={length < WARN_FROM}>
          {length >= WARN_FROM ? `${length.toLocaleString()} of ${MAX_LENGTH.toLocaleString()} characters` : <Keys />}
        </span>
        {chat.busy.value && (
          <button type="button" class="round round-stop" aria-label="Stop answering" title="Stop answering" onClick={() => void chat.stop()}>
            <Icon name="stop" size={14} />
          </button>
        )}
        {(!chat.busy.value || text.trim() !== "") && (
          <button class="round round-send" aria-label="Send" title="Send" disabled={!canSend}>
            <Icon name="send" size={18} />
          </button>
        )}
      </div>
    </form>
  );
}

function Keys() {
  return <><kbd>Enter</kbd> to send, <kbd>Shift</kbd> + <kbd>Enter</kbd> for a new line</>;
}

/** `/` moves the focus here unless somebody is writing elsewhere. */
function useFocusKey(box: { current: HTMLTextAreaElement | null }): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const writing = event.target instanceof Element && event.target.closest("input, textarea, select, dialog");
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || writing) return;
      event.preventDefault();
      box.current?.focus();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [box]);
}
