"""Short ways to write the requests that tests of bad input send."""

from __future__ import annotations

from typing import Any

from deskwire.v1 import chat_pb2

CREATE = "/deskwire.v1.ConversationService/CreateConversation"
WATCH = "/deskwire.v1.ChatService/WatchConversation"
CONVERSE = "/deskwire.v1.ChatService/Converse"
TALKS = "/deskwire.v1.ConversationService/"
KNOWLEDGE = "/deskwire.v1.KnowledgeService/"
CHAT = "/deskwire.v1.ChatService/Chat"
PORTAL = "/deskwire.compat.v1.PortalAssistantService/"
SITE = "/deskwire.compat.v1.SiteAssistantService/"
SUPPORT = "/deskwire.compat.v1.SupportAssistantService/"
NEVER = "00000000-0000-7000-8000-000000000000"
"""An id that nothing has."""


def message(text: str = "Hi", **fields: Any) -> chat_pb2.UserMessage:
    """What somebody says."""
    return chat_pb2.UserMessage(text=text, **fields)


def asking(**fields: Any) -> chat_pb2.ChatRequest:
    """A question; a friendly one where no message is given."""
    return chat_pb2.ChatRequest(**({"message": message()} | fields))


def unknown(value: int) -> Any:
    """A number where the stubs want an enum's value."""
    return value
