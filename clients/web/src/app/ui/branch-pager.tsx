/** Goes through the messages that stand in one place on different branches. */
import type { Chat } from "../state/chat";
import { IconButton } from "./pieces";

interface BranchPagerProps {
  label: string;
  /** The message that is shown. */
  id: string;
  /** All of them, oldest first. */
  alternatives: readonly string[];
  chat: Chat;
}

export function BranchPager({ label, id, alternatives, chat }: BranchPagerProps) {
  const place = alternatives.indexOf(id);
  if (place < 0 || alternatives.length < 2) return null;
  const step = (name: "left" | "right", to: number, words: string) => {
    const target = alternatives[to];
    const off = target === undefined || chat.busy.value;
    const onClick = (): void => void (target && chat.select(target, name));
    return <IconButton icon={name} size={14} label={words} disabled={off} onClick={onClick} />;
  };
  return (
    <span class="branches" role="group" aria-label={label} data-branches={id}>
      {step("left", place - 1, "Previous version")}
      <span class="branches-place">{place + 1}/{alternatives.length}</span>
      {step("right", place + 1, "Next version")}
    </span>
  );
}
