/** Icons as inline drawings; they are decoration, their buttons carry the words. */
import { createElement } from "preact";
import {
  ArrowDown, ArrowUp, BookOpen, Check, ChevronLeft, ChevronRight, CircleAlert, CircleHelp, Copy, ExternalLink, FileText, Files, LogOut,
  Menu, MessageSquare, Monitor, Moon, Pencil, Plus, RotateCw, Search, Square, Sun, Trash2, Upload, UserRound, WifiOff, X,
  Info, FolderOpen, ThumbsDown, ThumbsUp,
} from "lucide";

const ICONS = {
  alert: CircleAlert, book: BookOpen, check: Check, close: X, copy: Copy, down: ArrowDown, edit: Pencil, external: ExternalLink,
  file: FileText, files: Files, folder: FolderOpen, info: Info, left: ChevronLeft, menu: Menu, message: MessageSquare,
  monitor: Monitor, moon: Moon, offline: WifiOff, person: UserRound, plus: Plus, question: CircleHelp, retry: RotateCw, right: ChevronRight,
  search: Search, send: ArrowUp, signOut: LogOut, stop: Square, sun: Sun, thumbDown: ThumbsDown, thumbUp: ThumbsUp,
  trash: Trash2, upload: Upload,
} as const;

export type IconName = keyof typeof ICONS;

/** An icon of the set. */
export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  const shapes = ICONS[name].map(([tag, attributes], index) => createElement(tag, { ...attributes, key: index }));
  return (
    <svg
      class={`icon icon-${name}`}
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="1.75"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      {shapes}
    </svg>
  );
}

/** The mark of Deskwire: a speech bubble with a wire in it. */
export function Logo({ size = 28 }: { size?: number }) {
  return (
    <svg class="logo" width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <path
        class="logo-shape"
        d="M9 3h14a7 7 0 0 1 7 7v8a7 7 0 0 1-7 7h-7.4l-5.5 4.3A1.3 1.3 0 0 1 8 28.3V25A7 7 0 0 1 2 18v-8a7 7 0 0 1 7-7Z"
      />
      <path class="logo-wire" d="M7.5 14.5h4l2.4-4.2 3.6 8.2 2.6-4h4.4" />
    </svg>
  );
}
