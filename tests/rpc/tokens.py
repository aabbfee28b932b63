"""Tokens as a test wants them, right or wrong, and a harmless call to try them."""

from __future__ import annotations

import hmac
import json
import time
from base64 import urlsafe_b64encode
from typing import Any
from uuid import uuid4

import grpc
from deskwire.v1 import conversation_pb2

from deskwire_server.settings import DEMO_JWT_SECRET
from tests.rpc.contract import Outcome, call, find
from tests.support.server import Server

UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
LIST = find("/deskwire.v1.ConversationService/ListConversations")


def claims(**changes: Any) -> dict[str, Any]:
    """Claims that are right, then changed; None takes one away."""
    now = int(time.time())
    right = {
        "iss": "deskwire", "aud": "deskwire", "sub": "ana", "tenant": "auth-tests", "role": "user", "iat": now,
        "exp": now + 600, "jti": str(uuid4()),
    }  # fmt: skip
    return {key: value for key, value in (right | changes).items() if value is not None}


def signed(
    payload: dict[str, Any] | str, *, header: dict[str, Any] | str | None = None, key: str = DEMO_JWT_SECRET
) -> str:
    """An HS256 token of this header and payload as they are; texts are taken for JSON."""
    head: dict[str, Any] | str = {"alg": "HS256", "typ": "JWT"} if header is None else header
    texts = [part if isinstance(part, str) else json.dumps(part) for part in (head, payload)]
    body = ".".join(_encoded(text.encode()) for text in texts)
    return f"{body}.{_encoded(hmac.digest(key.encode(), body.encode(), 'sha256'))}"


def _encoded(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


async def listing(server: Server, token: str, *headers: tuple[str, str]) -> Outcome:
    """A harmless call with this token."""
    metadata = (("authorization", f"Bearer {token}"), *headers)
    return await call(server.channel, LIST, [conversation_pb2.ListConversationsRequest()], metadata)
