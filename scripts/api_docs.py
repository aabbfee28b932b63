"""Writes the browsable reference of the contract: one Markdown page a proto file, made from its comments."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

_SCALARS = {
    value.number: value.name.removeprefix("TYPE_").lower()
    for value in descriptor_pb2.FieldDescriptorProto.Type.DESCRIPTOR.values
}
_SERVICE, _MESSAGE, _ENUM = 6, 4, 5


class Page:
    """One proto file: its comments by path, and the lines of its page."""

    def __init__(self, file: descriptor_pb2.FileDescriptorProto) -> None:
        self.file = file
        self.comments = {
            tuple(location.path): location.leading_comments.strip("\n") for location in file.source_code_info.location
        }
        self.lines: list[str] = []

    def render(self) -> str:
        """The page as Markdown."""
        self.lines = [f"# {self.file.name}", "", self._text((2,)), ""]
        for index, service in enumerate(self.file.service):
            self._service(index, service)
        for index, message in enumerate(self.file.message_type):
            self._message((_MESSAGE, index), message)
        for index, enum in enumerate(self.file.enum_type):
            self._enum((_ENUM, index), enum)
        return "\n".join(self.lines).rstrip() + "\n"

    def summary(self) -> str:
        """First sentence of the file's comment."""
        return self._text((2,)).split("\n\n")[0].replace("\n", " ")

    def _text(self, path: tuple[int, ...]) -> str:
        return "\n".join(line.removeprefix(" ") for line in self.comments.get(path, "").split("\n"))

    def _cell(self, path: tuple[int, ...]) -> str:
        return " ".join(self._text(path).split()).replace("|", "\\|")

    def _service(self, index: int, service: descriptor_pb2.ServiceDescriptorProto) -> None:
        self.lines += [f"## {service.name}", "", self._text((_SERVICE, index)), ""]
        for number, method in enumerate(service.method):
            sides = [
                ("stream " if streams else "") + _link(type_name, self.file.name)
                for streams, type_name in (
                    (method.client_streaming, method.input_type),
                    (method.server_streaming, method.output_type),
                )
            ]
            self.lines += [f"### {service.name}.{method.name}", "", f"{sides[0]} → {sides[1]}", ""]
            self.lines += [f"`{rule}`" for rule in _http_rules(method)]
            self.lines += ["", self._text((_SERVICE, index, 2, number)), ""]

    def _message(self, path: tuple[int, ...], message: descriptor_pb2.DescriptorProto) -> None:
        if message.options.map_entry:
            return
        self.lines += [f"## {message.name}", "", self._text(path), ""]
        if message.field:
            self.lines += ["| field | type | meaning |", "| --- | --- | --- |"]
        for number, field in enumerate(message.field):
            kind = _kind(field, message, self.file.name)
            if field.HasField("oneof_index") and not field.proto3_optional:
                kind += f" (one of `{message.oneof_decl[field.oneof_index].name}`)"
            self.lines.append(f"| `{field.name}` | {kind} | {self._cell((*path, 2, number))} |")
        self.lines.append("")
        for number, nested in enumerate(message.nested_type):
            self._message((*path, 3, number), nested)
        for number, enum in enumerate(message.enum_type):
            self._enum((*path, 4, number), enum)

    def _enum(self, path: tuple[int, ...], enum: descriptor_pb2.EnumDescriptorProto) -> None:
        self.lines += [
            f"## {enum.name}",
            "",
            self._text(path),
            "",
            "| value | number | meaning |",
            "| --- | --- | --- |",
        ]
        for number, value in enumerate(enum.value):
            self.lines.append(f"| `{value.name}` | {value.number} | {self._cell((*path, 2, number))} |")
        self.lines.append("")


def _http_rules(method: descriptor_pb2.MethodDescriptorProto) -> Iterable[str]:
    rule = method.options.Extensions[annotations_pb2.http]
    verb = rule.WhichOneof("pattern")
    if verb:
        yield f"{verb.upper()} {getattr(rule, verb)}"


def _link(type_name: str, here: str) -> str:
    name = type_name.rsplit(".", 1)[-1]
    home = _HOMES.get(type_name)
    if home is None:
        return f"`{type_name.removeprefix('.')}`"
    page = "" if home == here else _page_name(home)
    return f"[{name}]({page}#{name.lower()})"


def _kind(field: descriptor_pb2.FieldDescriptorProto, message: descriptor_pb2.DescriptorProto, here: str) -> str:
    for nested in message.nested_type:
        if nested.options.map_entry and field.type_name.endswith(f".{message.name}.{nested.name}"):
            key, value = (_kind(part, nested, here) for part in nested.field)
            return f"map of {key} to {value}"
    kind = _link(field.type_name, here) if field.type_name else _SCALARS[field.type]
    if field.label == descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED:
        return f"repeated {kind}"
    return f"optional {kind}" if field.proto3_optional else kind


def _page_name(file_name: str) -> str:
    return file_name.removeprefix("deskwire/").removesuffix(".proto").replace("/", "-") + ".md"


_HOMES: dict[str, str] = {}


def main() -> None:
    """Usage: api_docs.py DESCRIPTOR_SET FOLDER."""
    descriptors = descriptor_pb2.FileDescriptorSet.FromString(Path(sys.argv[1]).read_bytes())
    folder = Path(sys.argv[2])
    files = [file for file in descriptors.file if file.package.startswith("deskwire.")]
    for file in files:
        for element in (*file.message_type, *file.enum_type):
            _HOMES[f".{file.package}.{element.name}"] = file.name
    index = [
        "# Contract",
        "",
        "Made from the comments of `protos/` by `make gen`.",
        "",
        "| page | about | services |",
        "| --- | --- | --- |",
    ]
    for file in sorted(files, key=lambda each: each.name):
        page = Page(file)
        (folder / _page_name(file.name)).write_text(page.render())
        services = ", ".join(f"`{file.package}.{service.name}`" for service in file.service)
        index.append(f"| [{file.name}]({_page_name(file.name)}) | {page.summary()} | {services} |")
    (folder / "README.md").write_text("\n".join(index) + "\n")


if __name__ == "__main__":
    main()
