"""Cleans Markdown and MDX of what a site's generator needs and a reader does not."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

from deskwire_server.knowledge.parse.document import Link
from deskwire_server.knowledge.parse.tags import Tag, skip_braces, tags

_OPEN, _CLOSE = "\ue000", "\ue001"
_FENCE = re.compile(r"^(?P<indent>[ \t>]*+(?:(?:[-*+]|\d+[.)])[ \t]+)?)(?P<mark>`{3,}|~{3,})(?P<info>[^\n]*)$")
_CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.S)
_MASK = re.compile(f"{_OPEN}(\\d+){_CLOSE}")
_MODULE_LINE = re.compile(
    r"^(?:import\s+(?:[\w*{\"'].*)|export\s+(?:default|const|let|var|function|async|class|\{|\*).*)$"
)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.S)
_DROPPED = re.compile(
    r"<(script|style|noscript|iframe|svg|video|audio|object|template|button|form|nav|footer)\b"
    r"[^>]{0,2000}(?:/>|>.*?(?:</\1\s*>|\Z))",
    re.S | re.I,
)
_TABLE = re.compile(r"<table\b.*?</table\s*>", re.S | re.I)
_IMAGE = re.compile(r"!\[(?:[^\[\]]|\[[^\]]{0,500}\]){0,2000}+\](?:\((?:[^()\n]|\([^()\n]*\)){0,2000}+\)|\[[^\]\n]*\])")
_LINK = re.compile(
    r"(?<!!)\[((?:[^\[\]\n]|\[[^\[\]\n]*\]|\n(?!\n))*)\]"
    r"\(\s*<?((?:[^()\s<>]|\([^()\s]*\))*)>?(?:\s+(?:\"[^\"]*\"|'[^']*'))?\s*\)"
)
_REFERENCE_LINK = re.compile(r"\[([^\[\]\n]+)\]\[([^\[\]\n]*)\]")
_REFERENCE = re.compile(r"^ {0,3}\[([^\]\n^]+)\]:[ \t]*<?(\S+?)>?(?:[ \t]+[\"'(].*)?[ \t]*$", re.M)
_ADMONITION = re.compile(r"^([ \t]*):{3,}[ \t]*(?:([A-Za-z][\w-]*)(?:\[([^\]]*)\])?(?:\{[^}]*\})?[ \t]*(.*))?$", re.M)
_ANCHOR = re.compile(r"^(#{1,6}[ \t].*?)(?<![ \t])[ \t]*+\{#[\w:.-]+\}[ \t]*$", re.M)
_MAX_OPEN_ENDED = 50
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_EMPTY_LINES = re.compile(r"\n{3,}")
_ADDRESS = re.compile(r"^(?:https?|mailto|tel):", re.I)
_DROPPED_TAGS = frozenset({"img", "source", "track", "input", "hr", "link", "meta", "wbr"})
_KEPT_TAGS = frozenset(
    {
        "a",
        "abbr",
        "article",
        "aside",
        "b",
        "big",
        "blockquote",
        "body",
        "br",
        "center",
        "cite",
        "code",
        "dd",
        "del",
        "details",
        "div",
        "dl",
        "dt",
        "em",
        "figcaption",
        "figure",
        "font",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "head",
        "header",
        "html",
        "i",
        "ins",
        "kbd",
        "label",
        "li",
        "main",
        "mark",
        "ol",
        "p",
        "picture",
        "pre",
        "s",
        "section",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "summary",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "u",
        "ul",
    }
)
_BLOCK_TAGS = frozenset(
    {
        "blockquote",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "figcaption",
        "figure",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "ul",
        "article",
        "main",
    }
)


def clean_markdown(text: str) -> tuple[str, tuple[Link, ...]]:
    """Clean Markdown of `text` and all of its links. Code keeps every character."""
    masks: list[str] = []

    def mask(code: str) -> str:
        masks.append(code)
        return f"{_OPEN}{len(masks) - 1}{_CLOSE}"

    text = text.replace(_OPEN, "").replace(_CLOSE, "").expandtabs(4)
    text = _mask_fences(text, mask)
    text = _CODE_SPAN.sub(lambda match: mask(match.group()) if "\n\n" not in match.group() else match.group(), text)
    text = _without_modules(text)
    text = _COMMENT.sub("", text)
    text = _DROPPED.sub("", text)
    text = _without_tables(text)
    text = _IMAGE.sub("", text)
    text = _without_expressions(text)
    text = _translate_tags(text)
    text = _ADMONITION.sub(_admonition, text)
    text = _ANCHOR.sub(r"\1", text)
    text, links = _links(text)
    text = _MASK.sub(lambda match: masks[int(match.group(1))], text)
    return _tidy(text), links


def plain(markdown: str) -> str:
    """`markdown` as it is read aloud: links as their text, no emphasis, no rules. For search, not for display."""
    text = _LINK.sub(r"\1", markdown)
    text = re.sub(r"^[ \t]*(?:`{3,}|~{3,}).*$", "", text, flags=re.M)
    text = re.sub(r"^[ \t]*+(?:\|[ \t]*+)?(?::?-{2,}+:?[ \t]*+\|[ \t]*+)++:?-*+:?[ \t]*+$", "", text, flags=re.M)
    text = re.sub(r"^[ \t]*(?:>[ \t]?)+", "", text, flags=re.M)
    text = re.sub(r"^#{1,6}[ \t]+", "", text, flags=re.M)
    text = re.sub(r"(\*\*|__)(?=\S)(.{1,2000}?)(?<=\S)\1", r"\2", text, flags=re.S)
    text = re.sub(r"(?<![\w*])[*_](?=\S)([^*_\n]+?)(?<=\S)[*_](?![\w*])", r"\1", text)
    text = _ESCAPED.sub(r"\1", text.replace("`", ""))
    return _EMPTY_LINES.sub("\n\n", unescape(text)).strip()


def _without_tables(text: str) -> str:
    """Tables of HTML as those of Markdown. What stands behind the last end of a table is not searched for its begin."""
    end = text.lower().rfind("</table")
    end = text.find(">", end) + 1 if end >= 0 else 0
    return _TABLE.sub(_table, text[:end]) + text[end:]


def _table(match: re.Match[str]) -> str:
    # Late: few documents have a table in HTML, and the parser of it takes long to load.
    from deskwire_server.knowledge.parse.html import soup_of, to_markdown

    return f"\n\n{to_markdown(soup_of(match.group()))}\n\n"


def _mask_fences(text: str, mask: Callable[[str], str]) -> str:
    out: list[str] = []
    block: list[str] = []
    fence = ""
    for line in text.split("\n"):
        match = _FENCE.match(line)
        if fence:
            block.append(line)
            if match and match["mark"].startswith(fence) and not match["info"].strip():
                out.append(mask("\n".join(block)))
                block, fence = [], ""
        elif match and not (match["mark"][0] == "`" and "`" in match["info"]):
            fence = match["mark"]
            info = match["info"].split("{")[0].split()
            title = re.search(r"title=[\"']([^\"']+)[\"']", match["info"])
            if title:
                out.append(f"{' ' * len(match['indent'])}{mask('`' + title.group(1) + '`')}:")
            block = [f"{match['indent']}{fence}{info[0] if info and '=' not in info[0] else ''}"]
        else:
            out.append(line)
    if block:
        out.append(mask("\n".join([*block, fence])))
    return "\n".join(out)


def _without_modules(text: str) -> str:
    """Drop `import` and `export` statements of MDX; a statement goes on while its braces are open."""
    out: list[str] = []
    depth = 0
    inside = False
    for line in text.split("\n"):
        if (
            not inside
            and _MODULE_LINE.match(line)
            and (not line.startswith("import") or re.search(r"from|[\"']|\{$", line))
        ):
            inside, depth = True, 0
        if not inside:
            out.append(line)
            continue
        depth += sum(line.count(char) for char in "{([") - sum(line.count(char) for char in "})]")
        if depth <= 0 or not line.strip():
            inside = False
    return "\n".join(out)


def _without_expressions(text: str) -> str:
    """Drop JSX expressions that stand in text: comments, and lines that are nothing but `{…}`."""
    text = re.sub(r"\{/\*.*?\*/\}", "", text, flags=re.S)
    out: list[str] = []
    last = 0
    open_ended = 0
    for match in re.finditer(r"^[ \t]*+\{", text, flags=re.M):
        if match.start() < last:
            continue
        end = skip_braces(text, match.end() - 1)
        if end is None:
            # Each costs a long search; a text with so many that never end is not MDX.
            open_ended += 1
            if open_ended > _MAX_OPEN_ENDED:
                break
        if end is not None and text[end:].split("\n", 1)[0].strip() == "":
            out.append(text[last : match.start()])
            last = end
    return "".join(out) + text[last:]


def _translate_tags(text: str) -> str:
    out: list[str] = []
    last = 0
    targets: list[str] = []
    for tag in tags(text):
        shown = _shown(tag, targets)
        if shown is None:
            continue
        out.append(text[last : tag.start])
        out.append(shown)
        last = tag.end
    return "".join(out) + text[last:]


def _shown(tag: Tag, targets: list[str]) -> str | None:
    """What stands in the place of `tag`; None leaves it as it is (a placeholder such as `<domain>`)."""
    name = tag.name.lower()
    if tag.is_component or not name:
        return _component(tag)
    if name == "a":
        return _anchor(tag, targets)
    if name in _DROPPED_TAGS:
        return ""
    if name not in _KEPT_TAGS:
        return None
    if name == "br":
        return "\n"
    if name in ("b", "strong"):
        return "**"
    if name in ("code", "kbd"):
        return "`"
    if name == "li":
        return "" if tag.closing else "\n- "
    if name in ("h1", "h2", "h3", "h4", "h5", "h6"):
        return "\n\n" if tag.closing else f"\n\n{'#' * int(name[1])} "
    return "\n\n" if name in _BLOCK_TAGS else ""


def _anchor(tag: Tag, targets: list[str]) -> str:
    if tag.closing:
        target = targets.pop() if targets else ""
        return f"]({target})" if target else ""
    target = tag.attributes.get("href", "").strip()
    if tag.self_closing or not target or re.search(r"[\s()]", target):
        if not tag.self_closing:
            targets.append("")
        return ""
    targets.append(target)
    return "["


def _component(tag: Tag) -> str:
    """A component shows its children, its label and short facts (`plan="business"`), or a bare badge's name."""
    if tag.closing:
        return "\n"
    label = next((tag.attributes[key] for key in ("label", "title") if tag.attributes.get(key)), "")
    if not tag.self_closing:
        return f"\n**{label}**\n" if label else "\n"
    if label:
        slug = re.sub(r"\W+", "-", label).lower()
        facts = [
            f"{key}: {value}"
            for key, value in tag.attributes.items()
            if re.fullmatch(r"[A-Za-z][\w-]{0,30}", value)
            and value not in (label, slug)
            and key not in ("id", "class", "className")
            and value.count("-") == 0
        ]
        return f"{label} ({', '.join(facts)})" if facts else label
    if not tag.attributes and re.fullmatch(r"[A-Z][a-z]+", tag.name):
        return f"({tag.name.lower()})"
    return ""


def _admonition(match: re.Match[str]) -> str:
    indent, kind, bracketed, rest = match.groups()
    title = (bracketed or rest or "").strip()
    return f"{indent}**{title}**\n" if kind and title else ""


def _links(text: str) -> tuple[str, tuple[Link, ...]]:
    """Links to addresses stay links; relative ones become their text, since they lead nowhere outside their site."""
    references = {match.group(1).lower(): match.group(2) for match in _REFERENCE.finditer(text)}
    if references:
        text = _REFERENCE.sub("", text)
        text = _REFERENCE_LINK.sub(
            lambda match: (
                f"[{match.group(1)}]({references[key]})"
                if (key := (match.group(2) or match.group(1)).lower()) in references
                else match.group()
            ),
            text,
        )
    found: list[Link] = []

    def shown(match: re.Match[str]) -> str:
        label, target = " ".join(match.group(1).split()), match.group(2)
        if not label:
            return ""
        if target:
            found.append(Link(label, target))
        return f"[{label}]({target})" if _ADDRESS.match(target) else label

    return _LINK.sub(shown, text), tuple(found)


def _tidy(text: str) -> str:
    """No trailing blanks, no rules between parts, at most one empty line (code is left alone by its fences)."""
    out: list[str] = []
    fence = ""
    for line in text.split("\n"):
        match = _FENCE.match(line)
        if fence:
            out.append(line)
            if match and match["mark"].startswith(fence) and not match["info"].strip():
                fence = ""
            continue
        line = line.rstrip()
        if match:
            fence = match["mark"]
        elif re.fullmatch(r" {0,3}(?:[-*_][ \t]*){3,}", line) or re.fullmatch(r"\s*(?:[-*+]|\*\*\*\*|\[\]|``)", line):
            line = ""
        if line or (out and out[-1]):
            out.append(line)
    return "\n".join(out).strip("\n").rstrip()
