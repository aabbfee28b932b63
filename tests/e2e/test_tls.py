"""The real stack with certificates made on the spot: TLS for everybody, and a certificate of their own for services."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from deskwire.v1 import conversation_pb2, conversation_pb2_grpc

from tests.support.certificates import Authority, Pair
from tests.support.stack import RealStack, bearer


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def secure(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealStack]:
    own = authority.issue("server")
    stack = RealStack(
        tmp_path_factory.mktemp("secure"),
        DESKWIRE_EMBEDDER="none",
        DESKWIRE_TLS_CERTIFICATE=str(own.certificate),
        DESKWIRE_TLS_KEY=str(own.key),
        DESKWIRE_TLS_CLIENT_CA=str(authority.certificate),
    )
    try:
        stack.start()
        yield stack
    finally:
        stack.end()


def get(stack: RealStack, path: str, trust: Path) -> Any:
    context = ssl.create_default_context(cafile=str(trust))
    return urllib.request.urlopen(f"https://{stack.http_address}{path}", context=context, timeout=10)


def listed(stack: RealStack, authority: Authority, own: Pair | None) -> conversation_pb2.ListConversationsResponse:
    credentials = grpc.ssl_channel_credentials(
        authority.certificate.read_bytes(),
        own.key.read_bytes() if own else None,
        own.certificate.read_bytes() if own else None,
    )
    with grpc.secure_channel(stack.grpc_address, credentials) as channel:
        stub = conversation_pb2_grpc.ConversationServiceStub(channel)
        metadata = bearer(stack.token(user="billing-service", role="service"))
        return stub.ListConversations(conversation_pb2.ListConversationsRequest(), metadata=metadata, timeout=10)


def test_browsers_get_https_and_are_told_to_stay_with_it(secure: RealStack, authority: Authority) -> None:
    health = get(secure, "/api/v1/health", authority.certificate)
    assert health.status == 200
    page = get(secure, "/openapi.json", authority.certificate)
    assert page.headers["strict-transport-security"].startswith("max-age=")


def test_nobody_else_is_trusted(secure: RealStack, tmp_path: Path) -> None:
    stranger = Authority(tmp_path)
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        get(secure, "/api/v1/health", stranger.certificate)


def test_a_service_with_its_certificate_is_served(secure: RealStack, authority: Authority) -> None:
    assert list(listed(secure, authority, authority.issue("billing")).conversations) == []


def test_a_service_without_one_or_with_a_stranger_s_is_not(
    secure: RealStack, authority: Authority, tmp_path: Path
) -> None:
    for own in (None, Authority(tmp_path).issue("billing")):
        with pytest.raises(grpc.RpcError) as refused:
            listed(secure, authority, own)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
