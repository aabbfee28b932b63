/** Small pieces that several pages use. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

import type { DeskwireError } from "../../lib";
import { explain } from "../text/explain";
import { dismiss, notices } from "../state/notices";
import { Icon, type IconName } from "./icon";

interface IconButtonProps {
  icon: IconName;
  label: string;
  onClick: () => void;
  class?: string;
  size?: number;
  /** Whether it is chosen, for buttons that stay so. */
  pressed?: boolean;
  disabled?: boolean;
}

/** A button that shows an icon alone. */
export function IconButton(props: IconButtonProps) {
  const { label, pressed, disabled, onClick } = props;
  const style = `icon-button ${props.class ?? ""}`;
  return (
    <button type="button" class={style} aria-label={label} aria-pressed={pressed} title={label} disabled={disabled} onClick={onClick}>
      <Icon name={props.icon} size={props.size ?? 18} />
    </button>
  );
}

/** What a page shows in place of content that could not be loaded. */
export function Trouble({ error, onRetry }: { error: DeskwireError; onRetry: () => void }) {
  const { title, advice, canRetry } = explain(error);
  return (
    <div class="empty" role="alert">
      <span class="empty-icon empty-icon-bad"><Icon name="alert" size={22} /></span>
      <p class="empty-title">{title}</p>
      <p class="empty-text">{advice}</p>
      {canRetry && (
        <button type="button" class="button" onClick={onRetry}>
          <Icon name="retry" size={16} /> Try again
        </button>
      )}
    </div>
  );
}

/** What a page shows when there is nothing yet. */
export function Empty(props: { icon: IconName; title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <span class="empty-icon"><Icon name={props.icon} size={22} /></span>
      <p class="empty-title">{props.title}</p>
      <div class="empty-text">{props.children}</div>
    </div>
  );
}

/** Grey lines in the place of what is being loaded. */
export function Skeleton({ lines, label }: { lines: number; label: string }) {
  return (
    <div class="skeleton" role="status" aria-label={label}>
      {Array.from({ length: lines }, (_, index) => <span key={index} class={`skeleton-line skeleton-${index % 3}`} />)}
    </div>
  );
}

/** Notices in the corner. */
export function Notices() {
  const list = useRef<HTMLDivElement>(null);
  const shown = notices.value;
  useEffect(() => {
    // Shown anew each time, so that they lie above a dialog that was opened meanwhile.
    list.current?.hidePopover();
    if (shown.length > 0) list.current?.showPopover();
  }, [shown]);
  return (
    <div class="notices" ref={list} popover="manual" role="status" aria-live="polite">
      {shown.map(({ id, kind, text }) => (
        <div key={id} class={`notice notice-${kind}`}>
          <Icon name={kind === "error" ? "alert" : "check"} size={16} />
          <span>{text}</span>
          <IconButton icon="close" label="Dismiss" size={14} onClick={() => dismiss(id)} />
        </div>
      ))}
    </div>
  );
}

/** A dialog over the page. Escape and a click beside it close it; the browser keeps the focus inside. */
export function Dialog(props: { label: string; class?: string; onClose: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const opener = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (opener instanceof HTMLElement) opener.focus();
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class={`dialog ${props.class ?? ""}`}
      aria-label={props.label}
      onCancel={(event) => {
        event.preventDefault();
        props.onClose();
      }}
      onMouseDown={(event) => event.target === dialog.current && props.onClose()}
    >
      <div class="dialog-body">{props.children}</div>
    </dialog>
  );
}

/** Three dots that move while something is awaited. */
export function Dots() {
  return <span class="dots" aria-hidden="true"><i /><i /><i /></span>;
}
