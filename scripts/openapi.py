"""Writes the OpenAPI description of the JSON paths, made from the contract's HTTP rules and comments."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

Json = dict[str, Any]
_FIELD = descriptor_pb2.FieldDescriptorProto
_SERVICE, _MESSAGE, _ENUM = 6, 4, 5
_INTEGERS = {_FIELD.TYPE_INT32, _FIELD.TYPE_UINT32, _FIELD.TYPE_SINT32, _FIELD.TYPE_FIXED32, _FIELD.TYPE_SFIXED32}
_LONGS = {_FIELD.TYPE_INT64, _FIELD.TYPE_UINT64, _FIELD.TYPE_SINT64, _FIELD.TYPE_FIXED64, _FIELD.TYPE_SFIXED64}
_WELL_KNOWN: dict[str, Json] = {
    ".google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    ".google.protobuf.Duration": {"type": "string", "example": "1.5s"},
    ".google.protobuf.FieldMask": {"type": "string", "example": "title,tags"},
    ".google.protobuf.Struct": {"type": "object"},
    ".google.protobuf.Value": {},
}
_VARIABLE = re.compile(r"\{([a-z_.]+)\}")
_OPEN_METHODS = {"deskwire.compat.v1.SupportAssistantService.GetHealth"}


class Contract:
    """Messages, enums and comments by full name."""

    def __init__(self, files: descriptor_pb2.FileDescriptorSet) -> None:
        self.files = [file for file in files.file if file.package.startswith("deskwire.")]
        self.messages: dict[str, descriptor_pb2.DescriptorProto] = {}
        self.enums: dict[str, descriptor_pb2.EnumDescriptorProto] = {}
        self.comments: dict[str, str] = {}
        for file in self.files:
            self._read(file)

    def _read(self, file: descriptor_pb2.FileDescriptorProto) -> None:
        told = {tuple(each.path): _prose(each.leading_comments) for each in file.source_code_info.location}
        for index, message in enumerate(file.message_type):
            name = f".{file.package}.{message.name}"
            self.messages[name] = message
            self.comments[name] = told.get((_MESSAGE, index), "")
            for number, field in enumerate(message.field):
                self.comments[f"{name}.{field.name}"] = told.get((_MESSAGE, index, 2, number), "")
            for nested in message.nested_type:
                self.messages[f"{name}.{nested.name}"] = nested
        for index, enum in enumerate(file.enum_type):
            self.enums[f".{file.package}.{enum.name}"] = enum
            self.comments[f".{file.package}.{enum.name}"] = told.get((_ENUM, index), "")
        for index, service in enumerate(file.service):
            self.comments[f".{file.package}.{service.name}"] = told.get((_SERVICE, index), "")
            for number, method in enumerate(service.method):
                name = f".{file.package}.{service.name}.{method.name}"
                self.comments[name] = told.get((_SERVICE, index, 2, number), "")


class Description:
    """The document while it is made: operations, and the schemas that they need."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._schemas: dict[str, Json] = {}
        self.paths: dict[str, Json] = {}
        self.tags: list[Json] = []

    def add_services(self) -> None:
        """Every method with an HTTP rule."""
        for file in self._contract.files:
            for service in file.service:
                name = f"{file.package}.{service.name}"
                self.tags.append({"name": service.name, "description": self._contract.comments[f".{name}"]})
                for method in service.method:
                    self._add_method(name, service.name, method)

    def document(self, version: str) -> Json:
        """The whole document."""
        self._schemas["Status"] = {
            "type": "object",
            "description": "What every failure answers: google.rpc.Status. Reasons stand in the ErrorInfo of details.",
            "properties": {
                "code": {"type": "integer"},
                "message": {"type": "string"},
                "details": {"type": "array", "items": {"type": "object"}},
            },
        }
        return {
            "openapi": "3.0.3",
            "info": {
                "title": "Deskwire",
                "version": version,
                "license": {"name": "Apache-2.0"},
                "description": "The JSON paths of the contract. Streams answer with server-sent events.",
            },
            "tags": self.tags,
            "security": [{"token": []}],
            "paths": self.paths,
            "components": {
                "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
                "schemas": dict(sorted(self._schemas.items())),
            },
        }

    def _add_method(self, service: str, tag: str, method: descriptor_pb2.MethodDescriptorProto) -> None:
        rule = method.options.Extensions[annotations_pb2.http]
        verb = rule.WhichOneof("pattern")
        if not verb:
            return
        request = self._contract.messages[method.input_type]
        # `{name=**}` takes the rest of the path; OpenAPI has no word for that.
        template = re.sub(r"=\*\*\}", "}", getattr(rule, verb))
        variables = _VARIABLE.findall(template)
        comment = self._contract.comments[f".{service}.{method.name}"]
        operation: Json = {
            "operationId": f"{tag}_{method.name}",
            "tags": [tag],
            "summary": comment.split("\n\n")[0].split(". ")[0].rstrip("."),
            "description": comment,
            "parameters": [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in variables
            ],
            "responses": {
                "200": {"description": "The answer.", "content": self._answer(method)},
                "default": {
                    "description": "A failure.",
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Status"}}},
                },
            },
        }
        if rule.body:
            operation["requestBody"] = {"required": True, "content": self._body(method, request, rule.body)}
        else:
            operation["parameters"] += self._query(method.input_type, request, set(variables))
        if f"{service}.{method.name}" in _OPEN_METHODS:
            operation["security"] = []
        self.paths.setdefault(template, {})[verb] = operation

    def _answer(self, method: descriptor_pb2.MethodDescriptorProto) -> Json:
        kind = "text/event-stream" if method.server_streaming else "application/json"
        return {kind: {"schema": self._reference(method.output_type)}}

    def _body(
        self, method: descriptor_pb2.MethodDescriptorProto, request: descriptor_pb2.DescriptorProto, body: str
    ) -> Json:
        schema = self._reference(method.input_type)
        if body != "*":
            schema = self._field(next(field for field in request.field if field.name == body))
        if method.client_streaming:
            schema = {"type": "array", "items": schema}
        return {"application/json": {"schema": schema}}

    def _query(self, type_name: str, request: descriptor_pb2.DescriptorProto, taken: set[str]) -> list[Json]:
        return [
            {
                "name": field.json_name,
                "in": "query",
                "schema": self._field(field),
                "description": self._contract.comments[f"{type_name}.{field.name}"],
            }
            for field in request.field
            if field.name not in taken and field.type != _FIELD.TYPE_MESSAGE
        ]

    def _reference(self, type_name: str) -> Json:
        if type_name in _WELL_KNOWN:
            return dict(_WELL_KNOWN[type_name])
        # The part behind `deskwire.`: two packages have messages of the same name.
        name = type_name.removeprefix(".deskwire.")
        if name not in self._schemas:
            self._schemas[name] = {}
            self._schemas[name] = (
                self._enum(type_name) if type_name in self._contract.enums else self._message(type_name)
            )
        return {"$ref": f"#/components/schemas/{name}"}

    def _enum(self, type_name: str) -> Json:
        values = [value.name for value in self._contract.enums[type_name].value]
        return {"type": "string", "description": self._contract.comments[type_name], "enum": values}

    def _message(self, type_name: str) -> Json:
        properties = {}
        for field in self._contract.messages[type_name].field:
            schema = self._field(field)
            comment = self._contract.comments[f"{type_name}.{field.name}"]
            # Beside a reference nothing else counts, so the comment goes around it.
            properties[field.json_name] = (
                {"allOf": [schema], "description": comment} if "$ref" in schema else {**schema, "description": comment}
            )
        return {"type": "object", "description": self._contract.comments[type_name], "properties": properties}

    def _field(self, field: descriptor_pb2.FieldDescriptorProto) -> Json:
        entry = self._contract.messages.get(field.type_name)
        if entry is not None and entry.options.map_entry:
            return {"type": "object", "additionalProperties": self._field(entry.field[1])}
        single = self._single(field)
        return {"type": "array", "items": single} if field.label == _FIELD.LABEL_REPEATED else single

    def _single(self, field: descriptor_pb2.FieldDescriptorProto) -> Json:
        if field.type in (_FIELD.TYPE_MESSAGE, _FIELD.TYPE_ENUM):
            return self._reference(field.type_name)
        if field.type in _INTEGERS:
            return {"type": "integer", "format": "int32"}
        if field.type in _LONGS:
            return {"type": "string", "format": "int64"}
        if field.type in (_FIELD.TYPE_DOUBLE, _FIELD.TYPE_FLOAT):
            return {"type": "number", "format": "double"}
        if field.type == _FIELD.TYPE_BOOL:
            return {"type": "boolean"}
        return {"type": "string", "format": "byte"} if field.type == _FIELD.TYPE_BYTES else {"type": "string"}


def _prose(comment: str) -> str:
    """A comment as paragraphs."""
    lines = [line.removeprefix(" ") for line in comment.strip("\n").split("\n")]
    return "\n\n".join(" ".join(part.split("\n")) for part in "\n".join(lines).split("\n\n")).strip()


def main() -> None:
    """Usage: openapi.py DESCRIPTOR_SET VERSION OUTPUT."""
    files = descriptor_pb2.FileDescriptorSet.FromString(Path(sys.argv[1]).read_bytes())
    description = Description(Contract(files))
    description.add_services()
    Path(sys.argv[3]).write_text(json.dumps(description.document(sys.argv[2]), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
