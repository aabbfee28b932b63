"""Requests that the contract accepts, made by walking its descriptors and mending what its rules find wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import protovalidate
from deskwire.v1 import chat_pb2, common_pb2, intent_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from tests.rpc.contract import Rpc, converse

Path = tuple[str, ...]

WORDS: dict[str, dict[str, Any]] = {
    "/deskwire.compat.v1.PortalAssistantService/Chat": {"message": "Hi"},
    "/deskwire.compat.v1.PortalAssistantService/SearchKnowledgeBase": {"query": "refund"},
    "/deskwire.compat.v1.PortalAssistantService/RecordFeedback": {
        "conversation_id": "conversation_id", "message_id": "message_id", "feedback": "positive"
    },
    "/deskwire.compat.v1.SiteAssistantService/StreamChat": {"message": "Hi"},
    "/deskwire.compat.v1.SiteAssistantService/GetConversation": {"id": "id"},
    "/deskwire.compat.v1.SiteAssistantService/UpdateConversation": {"id": "id", "title": "New"},
    "/deskwire.compat.v1.SupportAssistantService/Chat": {"message": "Hi"},
    "/deskwire.compat.v1.SupportAssistantService/GetConversation": {"conversation_id": "conversation_id"},
    "/deskwire.compat.v1.PortalAssistantService/AnalyzeIntent": {"message": "Hi"},
    "/deskwire.compat.v1.PortalAssistantService/CreateIntent": {"name": "An intent {unique}"},
    "/deskwire.compat.v1.BusinessAssistantService/AnalyzeMessage": {"message": "Hi"},
    "/deskwire.compat.v1.BusinessAssistantService/ClassifyIntent": {"message": "Hi"},
    "/deskwire.v1.FeedbackService/SubmitFeedback": {"sentiment": common_pb2.FEEDBACK_SENTIMENT_POSITIVE},
    "/deskwire.v1.FeedbackService/RateConversation": {"rating": 5},
    "/deskwire.v1.KnowledgeService/ImportArticles": {"source_path": "own/article.md", "content": b"# Own\n\nText."},
    "/deskwire.v1.KnowledgeService/SearchKnowledge": {"query": "refund"},
}  # fmt: skip
"""What requests need besides what the rules on their fields ask for: the older paths have no such rules."""
_IDS = re.compile(r"(^|_)(id|ids|token|path|etag)$")
_DEEPEST = 6
_ATTEMPTS = 20


class Implausible(AssertionError):
    """No request of an RPC is known that the contract accepts."""


def plausible(
    rpc: Rpc, *, ids: Mapping[str, str] | None = None, planted: Mapping[Path, str] | None = None
) -> list[Message | bytes]:
    """The requests of one sound call. `ids` are taken for required ids by field name; `planted` is set as it is."""
    request = rpc.request()
    for path, value in (planted or {}).items():
        plant(request, path, value)
        if path[-1] == "replaces_message_id" and "conversation_id" in request.DESCRIPTOR.fields_by_name:
            # Only in a conversation that is there anything can be replaced.
            plant(request, ("conversation_id",), (ids or {}).get("conversation_id") or str(uuid4()))
    for name, value in WORDS.get(rpc.path, {}).items():
        if not getattr(request, name):
            setattr(request, name, (ids or {}).get(str(value), value) if name == value else _unique(value))
    _mend(rpc, request, ids or {})
    if not rpc.client_streams:
        return [request]
    if isinstance(request, chat_pb2.ConverseRequest):
        whole = converse(request, conversation_id=(ids or {}).get("conversation_id"))
        return whole[1:] if request.HasField("open") else whole
    if not rpc.server_streams or isinstance(request, intent_pb2.BatchAnalyzeMessagesRequest):
        return [request]
    raise Implausible(f"{rpc.path}: say here in which order its messages come")


def id_fields(descriptor: Any, depth: int = 0) -> Iterator[Path]:
    """Paths of the fields of a request that name something: ids, tokens, paths."""
    for field in descriptor.fields:
        if field.message_type is not None and not field.is_repeated and depth < _DEEPEST:
            for rest in id_fields(field.message_type, depth + 1):
                yield (field.name, *rest)
        elif field.type == FieldDescriptor.TYPE_STRING and _IDS.search(field.name):
            yield (field.name,)


def plant(request: Message, path: Path, value: str) -> None:
    """Set the field at `path`; of a repeated one the first value."""
    for name in path[:-1]:
        request = getattr(request, name)
    if request.DESCRIPTOR.fields_by_name[path[-1]].is_repeated:
        getattr(request, path[-1]).append(value)
    else:
        setattr(request, path[-1], value)


def _unique(value: Any) -> Any:
    """Text in which `{unique}` stands for what no other call has."""
    return value.replace("{unique}", uuid4().hex) if isinstance(value, str) else value


def _mend(rpc: Rpc, request: Message, ids: Mapping[str, str]) -> None:
    for _ in range(_ATTEMPTS):
        try:
            protovalidate.validate(request)
        except protovalidate.ValidationError as error:
            for violation in error.violations:
                _mend_one(rpc, request, violation.proto, ids)
        else:
            return
    raise Implausible(f"{rpc.path}: no request is known that its rules accept; got as far as {request}")


def _mend_one(rpc: Rpc, request: Message, violation: Any, ids: Mapping[str, str]) -> None:
    path = [element.field_name for element in violation.field.elements]
    rule = violation.rule_id
    if "." in rule and rule.partition(".")[0] == path[-1]:
        path.append(rule.partition(".")[2])  # A rule on a message that is named after the field it means.
    *outer, name = path
    parent = request
    for each in outer:
        parent = getattr(parent, each)
    if name in parent.DESCRIPTOR.oneofs_by_name:
        name = parent.DESCRIPTOR.oneofs_by_name[name].fields[0].name
    field = parent.DESCRIPTOR.fields_by_name.get(name)
    if field is None:
        raise Implausible(f"{rpc.path}: nobody knows how to satisfy {rule} of {'.'.join(path)}")
    if field.message_type is not None:
        getattr(parent, name).SetInParent()
    elif field.type == FieldDescriptor.TYPE_STRING:
        setattr(parent, name, _text(parent.DESCRIPTOR.name.lower(), name, rule, ids))
    else:
        raise Implausible(f"{rpc.path}: nobody knows how to satisfy {rule} of {'.'.join(path)}")


def _text(owner: str, name: str, rule: str, ids: Mapping[str, str]) -> str:
    if rule == "string.uuid" or name == "id":
        return ids.get(f"{owner}_{name}") or ids.get(name) or str(uuid4())
    if (owner, name) == ("intent", "name"):
        return _unique("text {unique}")
    if name == "url":
        return "https://site.invalid/"
    return ids.get(name) or "text"
