"""The pages keep up with the code: links, settings, reasons, calls."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from deskwire.v1 import error_reason_pb2
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

from deskwire_server.cli import settings as settings_command
from deskwire_server.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md"), *(ROOT / "clients").glob("*/README.md")])
CORE, OLDER = "deskwire.v1", "deskwire.compat.v1"

_FENCED = re.compile(r"^(```|~~~).*?^\1", re.M | re.S)
_CODE = re.compile(r"`[^`\n]+`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+?) *$", re.M)


def _text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


class Call(NamedTuple):
    """A method of the contract."""

    service: str
    method: str
    path: str
    """HTTP verb and path, empty where it has none."""


def _calls(*packages: str) -> list[Call]:
    """Every method of these packages, also of services that will come."""
    contract = descriptor_pb2.FileDescriptorSet.FromString((ROOT / "generated" / "descriptor.binpb").read_bytes())
    return [
        Call(service.name, method.name, _http_path(method))
        for file in contract.file if file.package in packages
        for service in file.service
        for method in service.method
    ]  # fmt: skip


def _http_path(method: descriptor_pb2.MethodDescriptorProto) -> str:
    rule = method.options.Extensions[annotations_pb2.http]
    verb = rule.WhichOneof("pattern")
    return f"{verb.upper()} {getattr(rule, verb)}" if verb else ""


def _anchors(page: Path) -> set[str]:
    """Ids that a viewer gives to the headings of a page."""
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    return {
        re.sub(r" ", "-", re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()))
        for heading in _HEADING.findall(text)
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_relative_links_lead_somewhere(page: Path) -> None:
    text = _CODE.sub("", _FENCED.sub("", page.read_text(encoding="utf-8")))
    broken = []
    for target in _LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in _anchors(file)):
            broken.append(target)
    assert broken == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        targets = (page.parent / target.partition("#")[0] for target in _LINK.findall(page.read_text(encoding="utf-8")))
        waiting.extend(path.resolve() for path in targets if path.suffix == ".md" and path.is_file())
    assert sorted(path.relative_to(ROOT).as_posix() for path in set(DOCS.rglob("*.md")) - seen) == []


def test_the_page_of_settings_is_fresh() -> None:
    made = settings_command.page(settings_command.all_settings())
    assert _text("settings.md") == made, "run: .venv/bin/deskwire settings --markdown > docs/settings.md"


def test_every_name_of_a_setting_is_on_its_page() -> None:
    page = _text("settings.md")
    names = [name for row in settings_command.all_settings() for name in (row.name, *row.aliases)]
    assert [name for name in names if f"`{name}`" not in page] == []


def test_settings_without_effect_are_those_that_no_code_reads() -> None:
    sources = [
        path.read_text(encoding="utf-8") for path in (ROOT / "server" / "deskwire_server").rglob("*.py")
    ]  # fmt: skip
    used = set(re.findall(r"\b(?:settings|self)\.(\w+)", "\n".join(sources)))
    names = {row.name for row, field in zip(settings_command.all_settings(), Settings.model_fields, strict=True)
             if field not in used}  # fmt: skip
    section = _text("operations.md").partition("## Settings without effect")[2].partition("\n## ")[0]
    assert set(re.findall(r"`([A-Z][A-Z0-9_]+)`", section)) == names


def test_the_page_of_errors_has_a_row_for_every_reason_and_no_other() -> None:
    reasons = {
        name.removeprefix("ERROR_REASON_") for name in error_reason_pb2.ErrorReason.keys()  # noqa: SIM118 - no mapping
    } - {"UNSPECIFIED"}  # fmt: skip
    table = _text("errors.md").partition("## Reasons")[2]
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", table, re.M)) == reasons


def test_codes_of_reasons_are_those_of_the_contract() -> None:
    contract = (ROOT / "protos" / "deskwire" / "v1" / "error_reason.proto").read_text(encoding="utf-8")
    told = re.findall(r"Code ([A-Z_]+)(?:[^\n]*\n)(?:\s*//[^\n]*\n)*\s*ERROR_REASON_([A-Z_]+) =", contract)
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| ([^|]+) \|", _text("errors.md").partition("## Reasons")[2], re.M))
    assert len(told) > 20
    wrong = [
        reason for code, reason in told if not reason.startswith("DOCUMENT_") and f"`{code}`" not in rows[reason]
    ]  # fmt: skip
    assert wrong == []


def test_every_call_is_in_the_reference() -> None:
    pages = "\n".join(page.read_text(encoding="utf-8") for page in (DOCS / "api").glob("*.md"))
    calls = _calls(CORE, OLDER)
    assert len(calls) > 20
    assert [call for call in calls if f"### {call.service}.{call.method}\n" not in pages] == []


def test_the_table_of_roles_names_every_call_of_the_core() -> None:
    section = _text("security.md").partition("## Roles")[2].partition("\n## ")[0]
    missing = [
        call for call in _calls(CORE) if not re.search(rf"`{call.service}(?:`[^|]*`|\.){call.method}`", section)
    ]  # fmt: skip
    assert missing == []


def test_every_older_path_is_described() -> None:
    page = _text("older-paths.md")
    paths = [call.path.replace("{conversation_id}", "{id}") for call in _calls(OLDER)]
    assert all(paths)
    assert [path for path in paths if f"`{path}`" not in page] == []


def test_metrics_of_the_page_are_those_of_the_server() -> None:
    source = (ROOT / "server" / "deskwire_server" / "metrics.py").read_text(encoding="utf-8")
    section = _text("operations.md").partition("## Metrics")[2].partition("\n## ")[0]
    assert set(re.findall(r"`(deskwire_\w+)`", section)) == set(re.findall(r'"(deskwire_\w+)"', source))


def test_folders_of_the_readme_are_there() -> None:
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Folders")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `([\w/]+)/` \|", section, re.M)
    assert len(named) > 5
    assert [name for name in named if not (ROOT / name).is_dir()] == []
