"""Who may call what: revoked tokens, suspended tenants, services that act for users, every method without a token."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from deskwire.compat.v1 import portal_pb2, support_pb2
from deskwire.v1 import chat_pb2, conversation_pb2
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha import reflection_pb2

from deskwire_server.app import SERVICES
from deskwire_server.auth import revocation
from deskwire_server.tenants import admin as tenants
from deskwire_server.tenants import service as directory
from tests.rpc.contract import LIBRARY_SERVICES, Rpc, call, call_as, find, rpcs
from tests.rpc.tokens import UNAUTHENTICATED, claims, listing, signed
from tests.support.postgres import TestPostgres
from tests.support.server import Client, Server, make_settings, new_tenant, running_server

DENIED = grpc.StatusCode.PERMISSION_DENIED
EVERYTHING = rpcs((*SERVICES, *LIBRARY_SERVICES))
OPEN = {
    "/deskwire.compat.v1.SupportAssistantService/GetHealth",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/List",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
}
_WATCH_HEALTH = "/grpc.health.v1.Health/Watch"


# Revocation and suspension.


async def test_36_a_revoked_token(server: Server, postgres: TestPostgres, tenant: str) -> None:
    payload = claims(tenant=tenant)
    token, other = signed(payload), signed(claims(tenant=tenant))
    assert (await listing(server, token)).refusal is None
    assert await revocation.revoke(
        postgres.owner_url, tenant=tenant, token_id=payload["jti"], expires_at=payload["exp"]
    )
    async with asyncio.timeout(10):
        while (refused := (await listing(server, token)).refusal) is None:
            await asyncio.sleep(0.05)

    assert (refused.code, refused.reason) == (UNAUTHENTICATED, "TOKEN_REVOKED")
    assert (await listing(server, other)).refusal is None
    same_id_elsewhere = signed(claims(tenant=new_tenant(), jti=payload["jti"]))
    assert (await listing(server, same_id_elsewhere)).refusal is None
    assert not await revocation.revoke(postgres.owner_url, tenant="nobody-has-this", token_id="x", expires_at=0)


async def test_38_a_suspended_tenant(
    server: Server, postgres: TestPostgres, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "_CACHED_FOR", 0.05)
    token = signed(claims(tenant=tenant))
    assert (await listing(server, token)).refusal is None
    await tenants.suspend(postgres.owner_url, tenant)
    async with asyncio.timeout(10):
        while (refused := (await listing(server, token)).refusal) is None:
            await asyncio.sleep(0.05)
    assert (refused.code, refused.reason) == (DENIED, "TENANT_SUSPENDED")
    await tenants.resume(postgres.owner_url, tenant)
    async with asyncio.timeout(10):
        while (await listing(server, token)).refusal is not None:
            await asyncio.sleep(0.05)


async def test_an_unknown_tenant_is_made_with_the_demo_secret_only(postgres: TestPostgres) -> None:
    secret = "a secret of this test's own, long enough"
    async with running_server(make_settings(postgres, jwt_secret=secret)) as server:
        refusal = (await listing(server, signed(claims(tenant=new_tenant()), key=secret))).refusal
        assert refusal is not None
        assert (refusal.code, refusal.reason) == (UNAUTHENTICATED, "TOKEN_INVALID")
        made = await tenants.create(postgres.owner_url, new_tenant())
        assert (await listing(server, signed(claims(tenant=made.slug), key=secret))).refusal is None


# Acting for a user.


async def _made_by(client: Client, *headers: tuple[str, str]) -> str:
    made = await client.conversations.CreateConversation(
        conversation_pb2.CreateConversationRequest(), metadata=(*client.metadata, *headers)
    )
    return made.conversation.user_id


@pytest.mark.parametrize(("role", "whose"), [("service", "dora"), ("user", "sam"), ("agent", "sam"), ("admin", "sam")])
async def test_only_a_service_acts_for_a_user(server: Server, tenant: str, role: str, whose: str) -> None:
    client = server.client(tenant=tenant, user="sam", role=role)
    assert await _made_by(client, ("x-deskwire-user", "dora")) == whose
    assert await _made_by(client) == "sam"

    asked = await call_as(
        client,
        find("/deskwire.compat.v1.SupportAssistantService/Chat"),
        support_pb2.SupportAssistantServiceChatRequest(message="Hi", user_id="dora"),
    )
    found = await client.conversations.GetConversation(
        conversation_pb2.GetConversationRequest(conversation_id=asked.responses[0].conversation_id),
        metadata=client.metadata,
    )
    assert found.conversation.user_id == whose


@pytest.mark.parametrize("name", ["x" * 201, "a\tb"])
async def test_a_user_that_is_none(server: Server, tenant: str, name: str) -> None:
    service = server.client(tenant=tenant, user="sam", role="service")
    if "\t" not in name:
        refusal = (await listing(server, service.token, ("x-deskwire-user", name))).refusal
        assert refusal is not None
        assert (refusal.code, refusal.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["x-deskwire-user"])
    portal = portal_pb2.PortalAssistantServiceChatRequest(message="Hi", context=portal_pb2.PortalContext(user_id=name))
    support = support_pb2.SupportAssistantServiceChatRequest(message="Hi", user_id=name)
    for path, request, field in (
        ("/deskwire.compat.v1.PortalAssistantService/Chat", portal, "context.userId"),
        ("/deskwire.compat.v1.SupportAssistantService/Chat", support, "user_id"),
    ):
        refusal = (await call_as(service, find(path), request)).refusal
        assert refusal is not None, path
        assert (refusal.code, refusal.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


async def test_a_tenant_in_a_body_that_differs_is_refused(server: Server, tenant: str) -> None:
    client = server.client(tenant=tenant, role="service")
    rpc = find("/deskwire.compat.v1.PortalAssistantService/Chat")
    for named, code in ((tenant, grpc.StatusCode.OK), (new_tenant(), DENIED)):
        context = portal_pb2.PortalContext(tenant_id=named)
        request = portal_pb2.PortalAssistantServiceChatRequest(message="Hi", context=context)
        outcome = await call_as(client, rpc, request)
        assert outcome.code is code
        if outcome.refusal is not None:
            assert outcome.refusal.reason == "TENANT_MISMATCH"


async def test_rights_in_a_body_widen_nothing(server: Server, tenant: str, ana: Client) -> None:
    ben = server.client(tenant=tenant, user="ben")
    conversation_id = (await call_as(ben, find("/deskwire.v1.ChatService/Chat"), chat_pb2.ChatRequest(
        message=chat_pb2.UserMessage(text="Hi")))).responses[0].conversation_id  # fmt: skip
    context = portal_pb2.PortalContext(user_id="ben")
    context.user_profile.update({"role": "admin", "permissions": ["*"]})
    request = portal_pb2.PortalAssistantServiceChatRequest(
        message="Hi", conversation_id=conversation_id, context=context
    )
    refusal = (await call_as(ana, find("/deskwire.compat.v1.PortalAssistantService/Chat"), request)).refusal
    assert refusal is not None
    assert refusal.code is grpc.StatusCode.NOT_FOUND


# Every method.


async def test_every_served_service_is_known_here(server: Server) -> None:
    rpc = find("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
    outcome = await call(server.channel, rpc, [reflection_pb2.ServerReflectionRequest(list_services="*")])
    served = {service.name for service in outcome.responses[0].list_services_response.service}
    assert served <= {*SERVICES, *LIBRARY_SERVICES}
    assert set(SERVICES) <= served


@pytest.mark.parametrize("rpc", EVERYTHING, ids=lambda rpc: rpc.path)
async def test_27_without_a_token(server: Server, rpc: Rpc) -> None:
    for metadata in ((), (("authorization", "Bearer a.b.c"),)):
        deadline = 0.3 if rpc.path == _WATCH_HEALTH else 15
        outcome = await call(server.channel, rpc, [rpc.request()], metadata, deadline=deadline)
        refusal = outcome.refusal
        if rpc.path == _WATCH_HEALTH:
            assert outcome.responses
        elif rpc.path in OPEN:
            assert refusal is None or refusal.code is not UNAUTHENTICATED
        else:
            assert refusal is not None
            assert (refusal.code, refusal.reason) == (
                UNAUTHENTICATED, "TOKEN_INVALID" if metadata else "TOKEN_MISSING"
            )  # fmt: skip
            assert not outcome.responses
            assert refusal.detail(error_details_pb2.BadRequest) is None


@pytest.mark.parametrize("role", ["user", "agent", "admin", "service"])
async def test_channelz_is_for_operators(server: Server, tenant: str, role: str) -> None:
    client = server.client(tenant=tenant, role=role)
    outcome = await call_as(client, find("/grpc.channelz.v1.Channelz/GetServers"), b"")
    assert outcome.code is (grpc.StatusCode.OK if role in ("admin", "service") else DENIED)
