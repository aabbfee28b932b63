/** Shows Markdown. A growing text redraws only the part that grows, so that selections and scroll positions stay. */
import { useLayoutEffect, useRef } from "preact/hooks";

import { type ChipSource, insertChips } from "../text/citations";
import { tidyEnd } from "../text/growing";
import { type Block, toBlocks, toSafeNodes } from "../text/markdown";
import { notify } from "../state/notices";

interface Props {
  source: string;
  sources?: readonly ChipSource[];
  streaming?: boolean;
  onCitation?: (number: number) => void;
}

const NO_SOURCES: readonly ChipSource[] = [];

/** Markdown with chips for its sources. */
export function Markdown({ source, sources = NO_SOURCES, streaming = false, onCitation }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const drawn = useRef<{ blocks: Block[]; chips: string }>({ blocks: [], chips: "" });

  useLayoutEffect(() => {
    if (host.current === null) return;
    const blocks = toBlocks(streaming ? tidyEnd(source) : source);
    const chips = sources.map(({ number, title }) => `${number} ${title}`).join("\n");
    const old = chips === drawn.current.chips ? drawn.current.blocks : [];
    redraw(host.current, old, blocks, sources);
    drawn.current = { blocks, chips };
  }, [source, sources, streaming]);

  const onClick = (event: MouseEvent): void => {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    if (button === null) return;
    const { citation, copy } = button.dataset;
    if (citation !== undefined) onCitation?.(Number(citation));
    else if (copy !== undefined) void copyCode(button);
  };

  return <div ref={host} class={streaming ? "prose prose-streaming" : "prose"} onClick={onClick} />;
}

function redraw(host: HTMLElement, old: readonly Block[], blocks: readonly Block[], sources: readonly ChipSource[]): void {
  let same = 0;
  while (same < old.length && same < blocks.length && old[same]?.html === blocks[same]?.html) same += 1;
  while (host.children.length > same) host.lastElementChild?.remove();
  for (const block of blocks.slice(same)) {
    const part = document.createElement("div");
    part.className = "block";
    part.append(toSafeNodes(block.html));
    insertChips(part, sources);
    host.append(part);
  }
}

async function copyCode(button: HTMLElement): Promise<void> {
  const code = button.closest(".scroll-frame")?.querySelector("pre")?.textContent ?? "";
  await copyText(code, "Code copied");
}

/** Puts text on the clipboard and says so. */
export async function copyText(text: string, done: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    notify(done);
  } catch {
    notify("Your browser does not allow copying here.", "error");
  }
}
