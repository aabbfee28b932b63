// @vitest-environment jsdom
/** Markdown, chips, passages and words for errors. */
import { Code } from "@connectrpc/connect";
import { h, render as renderInto } from "preact";
import { describe, expect, it } from "vitest";

import { api, DeskwireError, type Reason } from "../../src/lib";
import { insertChips } from "../../src/app/text/citations";
import { explain, explainReason } from "../../src/app/text/explain";
import { tidyEnd } from "../../src/app/text/growing";
import { plainText, toBlocks, toSafeNodes } from "../../src/app/text/markdown";
import { markSource, showPassage } from "../../src/app/text/passage";
import { ageGroup } from "../../src/app/text/time";
import { Markdown } from "../../src/app/ui/markdown";

function render(markdown: string): HTMLElement {
  const host = document.createElement("div");
  for (const { html } of toBlocks(markdown)) host.append(toSafeNodes(html));
  return host;
}

describe("Markdown", () => {
  it.each([
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "![x](https://evil.example/track.png)",
    "[x](javascript:alert(1))",
    "[x](data:text/html,<script>1</script>)",
    "[x](//evil.example)",
    '<a href="https://a.example" onclick="alert(1)" style="position:fixed">x</a>',
    "<iframe src=https://evil.example></iframe><object></object><form action=/x><button>y</button></form>",
    '<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>',
    '<p class="composer" id="message">x</p>',
  ])("makes %s harmless", (markdown) => {
    const { innerHTML } = render(markdown);
    expect(innerHTML).not.toMatch(/<script|<img|<iframe|<object|<form|<svg|onerror|onclick|javascript:|data:|style=|composer|id=|"\/\//i);
  });

  it("opens links elsewhere, without telling where from", () => {
    const link = render("[x](https://a.example)").querySelector("a");
    expect(link?.outerHTML).toBe('<a href="https://a.example" target="_blank" rel="noopener noreferrer">x</a>');
  });

  it("shows tables and code in frames that scroll by keyboard", () => {
    const host = render("| a | b |\n| --- | ---: |\n| 1 | 2 |\n\n```python\nprint(1)\n```");
    expect(host.querySelectorAll(".scroll-x[tabindex='0']")).toHaveLength(2);
    expect(host.querySelector("td[align=right]")?.textContent).toBe("2");
    expect(host.querySelector(".code-bar")?.textContent).toBe("pythonCopy");
  });

  it("keeps the order of headings", () => {
    const levels = [...render("# a\n\n### b\n\n## c\n\n<h1>d</h1>").querySelectorAll("h1,h2,h3,h4,h5")].map(({ tagName }) => tagName);
    expect(levels).toEqual(["H3", "H4", "H4", "H3"]);
  });

  it("keeps blocks apart, so that only the last one is drawn again", () => {
    const before = toBlocks("one\n\ntwo");
    expect(toBlocks("one\n\ntwo three")[0]).toEqual(before[0]);
  });

  it("gives the text alone", () => {
    expect(plainText("## Steps\n\n1. Open **Settings**.\n2. Save.")).toBe("Steps Open Settings. Save.");
  });
});

describe("a text that grows", () => {
  it.each([
    ["Open **Set", "Open **Set**"],
    ["Open **", "Open"],
    ["Open **Settings*", "Open **Settings**"],
    ["Open **Settings** now", "Open **Settings** now"],
    ["Call `get", "Call `get`"],
    ["Call `", "Call "],
    ["Yes [1", "Yes "],
    ["Yes [1] and [", "Yes [1] and "],
    ["So:\n\n| a | b", "So:\n\n"],
    ["So:\n\n| a | b |\n| --- |", "So:\n\n"],
    ["So:\n\n| a | b |\n| --- | ---", "So:\n\n"],
    ["So:\n\n| a | b |\n| --- | --- |", "So:\n\n| a | b |\n| --- | --- |"],
    ["```sh\necho **", "```sh\necho **"],
    ["- one\n- **two", "- one\n- **two**"],
  ])("shows %j as %j", (text, shown) => {
    expect(tidyEnd(text).trimEnd()).toBe(shown.trimEnd());
  });
});

describe("chips", () => {
  const sources = [{ number: 1, title: "Refunds" }, { number: 3, title: "Plans" }];

  it("stand for known sources, outside code and links", () => {
    const host = render("Yes [1][3], no [2]. `a[1]` [see [1]](https://a.example)");
    insertChips(host, sources);
    const chips = [...host.querySelectorAll("button.chip")];
    expect(chips.map((chip) => chip.getAttribute("aria-label"))).toEqual(["Source 1: Refunds", "Source 3: Plans"]);
    expect(host.textContent).toContain("no [2]. a[1]");
  });

  it("become plain marks when the whole answer has fewer sources than its text has marks", () => {
    const host = document.createElement("div");
    const source = "Refunds take five days [1]. Plans differ [1] [3], see the list.[3]";
    const show = (shown: typeof sources, streaming: boolean): void =>
      renderInto(h(Markdown, { source, sources: shown, streaming }), host);
    show(sources, true);
    expect(host.querySelectorAll("button.chip")).toHaveLength(4);
    show(sources.slice(1), false);
    expect([...host.querySelectorAll("button.chip")].map((chip) => chip.textContent)).toEqual(["3", "3"]);
    expect(host.textContent.trim()).toBe("Refunds take five days [1]. Plans differ [1] 3, see the list.3");
    show([], false);
    expect(host.querySelector("button.chip, .cited")).toBeNull();
    expect(host.textContent.trim()).toBe(source);
  });
});

describe("passages", () => {
  const show = (markdown: string, passage: string): string => {
    const at = markdown.indexOf(passage);
    const start = Array.from(markdown.slice(0, at)).length;
    const host = render(markSource(markdown, start, start + Array.from(passage).length));
    showPassage(host);
    expect(host.textContent).not.toMatch(/[\uE0D0\uE0D1]/);
    expect(host.innerHTML.replaceAll(/<\/?mark>/g, "")).toBe(render(markdown).innerHTML);
    return [...host.querySelectorAll("mark")].map((mark) => mark.textContent).join("|");
  };

  it.each([
    ["a sentence", "First 👍. Second one. Third.", "Second one.", "Second one."],
    ["across bold", "Open **Settings** now. Then wait.", "Open **Settings** now.", "Open |Settings| now."],
    ["a section", "Intro\n\n## Title\n\nText here.\n", "## Title\n\nText here.", "Title|Text here."],
    ["a list", "Do:\n\n1. One\n2. Two\n\nEnd", "1. One\n2. Two", "One|Two"],
    ["a bullet's end", "- one\n- two **bold**\n", "- two **bold**\n", "two |bold"],
    ["a table", "| a | b |\n| --- | --- |\n| 1 | 2 |\n\nx", "| a | b |\n| --- | --- |\n| 1 | 2 |", "a|b|1|2"],
    ["code", "See\n\n```sh\nls -l\n```\n\nEnd", "```sh\nls -l\n```", "ls -l"],
    ["a quote", "> said\n\nother", "> said", "said"],
  ])("marks %s and changes nothing else", (_, markdown, passage, marked) => {
    expect(show(markdown, passage)).toBe(marked);
  });

  it("survives places outside the text", () => {
    expect(markSource("abc", 10, 20)).toBe("abc");
    expect(markSource("abc", 0, 0)).toBe("abc");
    expect(render(markSource("abc", 0, 99)).textContent).toContain("abc");
  });
});

describe("explain", () => {
  const reasons = Object.keys(api.ErrorReason).filter((name) => Number.isNaN(Number(name)) && name !== "UNSPECIFIED") as Reason[];
  // Mistakes that only a program can make: the page makes none of these calls.
  const ofPrograms = ["MALFORMED_MESSAGE", "REQUEST_ID_REUSED", "STREAM_NOT_OPEN", "STREAM_ALREADY_OPEN", "STREAM_CLOSED", "CURSOR_AHEAD", "CURSOR_EXPIRED"];

  it.each(reasons.filter((reason) => !ofPrograms.includes(reason)))("has words for %s", (reason) => {
    expect(explainReason(reason).title).not.toBe("Something went wrong");
  });

  it("says how long to wait, and what is wrong with the input", () => {
    const wait = new DeskwireError("", { code: Code.ResourceExhausted, reason: "RATE_LIMITED", retryAfterMs: 4_200 });
    expect(explain(wait).advice).toBe("Please try again in 5 seconds.");
    const violations = [{ field: "title", description: "must not be empty" }];
    expect(explain(new DeskwireError("", { code: Code.InvalidArgument, reason: "INVALID_FIELD", violations })).advice).toBe("Must not be empty.");
  });
});

it("groups by age", () => {
  const now = new Date(2026, 4, 10, 9);
  expect(ageGroup(new Date(2026, 4, 10, 1), now)).toBe("Today");
  expect(ageGroup(new Date(2026, 4, 9, 23), now)).toBe("Yesterday");
  expect(ageGroup(new Date(2026, 4, 4), now)).toBe("Last 7 days");
  expect(ageGroup(new Date(2025, 4, 4), now)).toBe("Older");
});
