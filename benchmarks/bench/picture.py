"""The figures as bars, in an SVG that needs no library and reads well on light and dark pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path

from benchmarks.bench.goals import BARE, COMMON, DESKWIRE, FULL, WEB, Measured, Runs
from benchmarks.bench.script import PACED, UNPACED

_NAMES = {
    BARE: "bare gRPC pass-through",
    COMMON: "FastAPI and openai SDK, nothing stored",
    DESKWIRE: "Deskwire, everything stored",
    WEB: "Deskwire behind Envoy, by grpc-web",
    FULL: "Deskwire with analysis and search",
}
_WIDTH, _LABEL, _ROW, _TOP = 900, 300, 26, 46
_BAR = 460
_OURS, _OTHERS = "#2563eb", "#94a3b8"
_STYLE = "font-family: system-ui, sans-serif; font-size: 13px"


def write(measured: Measured, file: Path) -> None:
    """Draw three panels: processor time of a token paced and unpaced, and the time added to the first token."""
    paced, unpaced, one = f"{PACED}, 20", f"{UNPACED}, 50", f"{PACED}, 1"

    def bars(load: str, figure: Callable[[Runs, str], float]) -> list[tuple[str, float]]:
        return [(name, figure(runs, name)) for name in _NAMES if (runs := measured.of(name)).has(name, load)]

    panels = [
        ("CPU of the server for a token, 20 paced conversations (µs)",
         bars(paced, lambda runs, name: runs.cpu_per_token(name, paced) * 1e6)),
        ("CPU of the server for a token, 50 unpaced conversations (µs)",
         bars(unpaced, lambda runs, name: runs.cpu_per_token(name, unpaced) * 1e6)),
        ("Time added to the first token, one conversation (ms)",
         bars(one, lambda runs, name: runs.added(name, one) * 1e3)),
    ]  # fmt: skip
    parts, top = [], 0
    for title, rows in panels:
        parts.append(_panel(title, rows, top))
        top += _TOP + len(rows) * _ROW + 16
    size = f'viewBox="0 0 {_WIDTH} {top}" width="{_WIDTH}" height="{top}"'
    background = f'<rect width="{_WIDTH}" height="{top}" rx="8" fill="#ffffff"/>'
    file.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} style="{_STYLE}" role="img">\n{background}\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _panel(title: str, bars: Sequence[tuple[str, float]], top: int) -> str:
    longest = max((value for _, value in bars), default=1.0) or 1.0
    lines = [f'<text x="20" y="{top + 30}" fill="#0f172a" font-weight="600">{escape(title)}</text>']
    for number, (name, value) in enumerate(bars):
        y = top + _TOP + number * _ROW
        width = max(1.0, value / longest * _BAR)
        colour = _OURS if name not in (BARE, COMMON) else _OTHERS
        lines += [
            f'<text x="{_LABEL}" y="{y + 14}" fill="#334155" text-anchor="end">{escape(_NAMES[name])}</text>',
            f'<rect x="{_LABEL + 10}" y="{y}" width="{width:.1f}" height="18" rx="3" fill="{colour}"/>',
            f'<text x="{_LABEL + 18 + width:.1f}" y="{y + 14}" fill="#0f172a">{value:.1f}</text>',
        ]
    return "\n".join(lines)
