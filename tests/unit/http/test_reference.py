"""The description for JSON callers tells of every HTTP rule of the contract, and every reference in it resolves."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

from google.api import annotations_pb2
from google.protobuf import descriptor_pool

from deskwire_server.app import SERVICES

DOCUMENT = json.loads(files("deskwire").joinpath("openapi.json").read_text())


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if "$ref" in node else set()
        return own.union(*(references(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(references(item) for item in node))
    return set()


def test_every_http_rule_is_described() -> None:
    expected = set()
    for name in SERVICES:
        for method in descriptor_pool.Default().FindServiceByName(name).methods:
            rule = method.GetOptions().Extensions[annotations_pb2.http]
            verb = rule.WhichOneof("pattern")
            if verb:
                expected.add((getattr(rule, verb).replace("=**}", "}"), verb))
    described = {(path, verb) for path, operations in DOCUMENT["paths"].items() for verb in operations}

    assert ("/ai/chat", "post") in described
    assert described == expected


def test_every_reference_resolves() -> None:
    schemas = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}

    assert references(DOCUMENT) <= schemas


def test_every_variable_of_a_path_is_a_parameter() -> None:
    for path, operations in DOCUMENT["paths"].items():
        for operation in operations.values():
            declared = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
            assert declared == set(re.findall(r"\{([^}]+)\}", path))


def test_names_are_spelt_as_on_the_wire() -> None:
    chat = DOCUMENT["components"]["schemas"]["compat.v1.PortalAssistantServiceChatResponse"]["properties"]
    assert {"followUpQuestions", "conversationId", "citations"} <= chat.keys()
    support = DOCUMENT["components"]["schemas"]["compat.v1.SupportAssistantServiceChatRequest"]["properties"]
    assert "conversation_id" in support
