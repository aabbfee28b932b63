"""What Envoy makes of calls and requests, in front of a fake worker."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest
from deskwire.compat.v1 import portal_pb2, portal_pb2_grpc, support_pb2, support_pb2_grpc
from deskwire.v1 import knowledge_pb2, knowledge_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from deskwire_server.stack import envoy
from deskwire_server.stack.envoy import EnvoyConfig, Place
from deskwire_server.stack.launch import Command
from tests.support.free_ports import PORTS

ORIGIN = "https://portal.example"


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: str


class Proxy(NamedTuple):
    """A running Envoy."""

    http_port: int
    grpc_port: int

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> Answer:
        """One HTTP request with the path exactly as given."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=10)
        try:
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, names)
            answer = connection.getresponse()
            return Answer(
                answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode(errors="replace")
            )
        finally:
            connection.close()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder: Path = tmp_path_factory.mktemp("envoy")
    ports = [PORTS.choose() for _ in range(4)]
    config = EnvoyConfig(
        http=Place("127.0.0.1", ports[0]),
        grpc=Place("127.0.0.1", ports[1]),
        workers_grpc=[Place("127.0.0.1", ports[2])],
        workers_http=[Place("127.0.0.1", ports[3])],
        access_log=str(folder / "access.log"),
        services=envoy.transcoded_services(envoy.DESCRIPTOR),
        read_paths=envoy.read_paths(envoy.DESCRIPTOR),
        admin_socket=str(folder / "admin.sock"),
        cors_origins=[ORIGIN],
        idle_timeout=1,
    )
    (folder / "envoy.yaml").write_text(envoy.render(config))
    worker = Command(
        argv=[sys.executable, "-m", "tests.support.fake_worker"],
        environment=os.environ | {
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "DESKWIRE_WORKER_GRPC_PORT": str(ports[2]),
            "DESKWIRE_WORKER_HTTP_PORT": str(ports[3]),
        },
        folder=Path.cwd(),
    )  # fmt: skip
    processes = [
        subprocess.Popen(command.guarded_argv(), env=dict(command.environment), cwd=command.folder)
        for command in (worker, envoy.command(folder / "envoy.yaml"))
    ]
    try:
        made = Proxy(ports[0], ports[1])
        _until_served(made)
        yield made
    finally:
        for process in processes:
            process.terminate()
            process.wait(timeout=10)


def _until_served(proxy: Proxy) -> None:
    deadline = time.monotonic() + 30
    while True:
        with suppress(OSError):
            if proxy.ask("GET", "/api/v1/health").status == 200:
                return
        assert time.monotonic() < deadline, "Envoy does not answer"
        time.sleep(0.05)


def _json(proxy: Proxy, path: str, body: object) -> Answer:
    return proxy.ask("POST", path, json.dumps(body), content_type="application/json")


def test_zeros_and_empty_lists_are_shown(proxy: Proxy) -> None:
    answer = _json(proxy, "/ai/chat", {"message": "hi", "unknown": 1})
    assert answer.status == 200
    shown = json.loads(answer.body)
    assert (shown["message"], shown["confidence"], shown["citations"], shown["followUpQuestions"]) == ("hi", 0, [], [])


def test_an_error_keeps_its_details(proxy: Proxy) -> None:
    answer = _json(proxy, "/ai/chat", {"message": "refuse"})
    assert answer.status == 400
    shown = json.loads(answer.body)
    assert (shown["code"], shown["message"], shown["details"][0]["reason"]) == (3, "refused", "INVALID_FIELD")


@pytest.mark.parametrize("body", ['{"message":', '{"message": 5}', "a", "[]"])
def test_json_that_does_not_fit_is_a_bad_request(proxy: Proxy, body: str) -> None:
    answer = proxy.ask("POST", "/ai/chat", body, content_type="application/json")
    assert answer.status == 400
    assert json.loads(answer.body)["code"] == 3


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/ai/nothing"), ("GET", "/v1/nothing"), ("DELETE", "/ai/chat"), ("GET", "/api/x")]
)
def test_unknown_calls_are_not_found(proxy: Proxy, method: str, path: str) -> None:
    answer = proxy.ask(method, path)
    assert (answer.status, json.loads(answer.body)["code"]) == (404, 5)


def test_a_stream_arrives_event_by_event(proxy: Proxy) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.http_port, timeout=10)
    began = time.monotonic()
    connection.request("POST", "/api/chat/stream", '{"message": "hi"}', {"content-type": "application/json"})
    answer = connection.getresponse()
    first = answer.readline()
    first_after = time.monotonic() - began
    rest = answer.read().decode()
    whole_after = time.monotonic() - began
    connection.close()
    assert answer.getheader("content-type") == "text/event-stream"
    assert json.loads(first.removeprefix(b"data: "))["text"] == "one"
    assert [json.loads(line[6:])["text"] for line in rest.splitlines() if line] == ["two", "three"]
    # The worker waits 0.9 s in all; a proxy that held the stream back would give everything at the end.
    assert first_after < 0.6 < whole_after


@pytest.mark.parametrize("listener", ["http_port", "grpc_port"])
def test_an_import_may_be_silent_beyond_the_idle_limit(proxy: Proxy, listener: str) -> None:
    documents = iter([knowledge_pb2.ImportArticlesRequest(source_path=f"{number}.md") for number in range(2)])
    with grpc.insecure_channel(f"127.0.0.1:{getattr(proxy, listener)}") as channel:
        answer = knowledge_pb2_grpc.KnowledgeServiceStub(channel).ImportArticles(documents, timeout=10)
        assert answer.created_count == 2
        with pytest.raises(grpc.RpcError):
            portal_pb2_grpc.PortalAssistantServiceStub(channel).Chat(
                portal_pb2.PortalAssistantServiceChatRequest(message="slow"), timeout=10
            )


def test_an_import_as_json_may_be_large_and_silent(proxy: Proxy) -> None:
    documents = [{"sourcePath": f"{number}.md", "content": "a" * 2_000_000} for number in range(8)]
    answer = _json(proxy, "/v1/articles:import", documents)
    assert (answer.status, json.loads(answer.body)["createdCount"]) == (200, 8)
    assert _json(proxy, "/ai/chat", {"message": "slow"}).status in (408, 504)


def test_a_body_beyond_the_limit_is_too_large(proxy: Proxy) -> None:
    answer = _json(proxy, "/ai/chat", {"message": "a" * 5_000_000})
    assert answer.status in (413, 429)
    assert json.loads(answer.body)["code"] == 8


@pytest.mark.parametrize("path", ["/", "/docs", "/assets/a.js", "/webhooks/x", "/metricsx"])
def test_other_paths_go_to_the_side_port(proxy: Proxy, path: str) -> None:
    assert proxy.ask("GET", path).body == f"side:GET:{path}"


@pytest.mark.parametrize(
    "path",
    ["/metrics", "/metrics/", "/Metrics", "//metrics", "/%6Detrics", "/%2e/metrics", "/x/../metrics", "/metrics?a=1",
     "/metrics/sub"],
)  # fmt: skip
def test_the_workers_figures_are_out_of_reach(proxy: Proxy, path: str) -> None:
    assert proxy.ask("GET", path).status == 404


@pytest.mark.parametrize("path", ["/%2fmetrics", "/metrics%2f", "/x%5cmetrics"])
def test_hidden_slashes_are_refused(proxy: Proxy, path: str) -> None:
    assert proxy.ask("GET", path).status == 400


def test_a_grpc_path_with_another_content_type_is_refused(proxy: Proxy) -> None:
    assert _json(proxy, "/deskwire.v1.ChatService/Chat", {}).status == 415


def test_large_headers_are_refused(proxy: Proxy) -> None:
    assert proxy.ask("GET", "/", x_large="a" * 20_000).status == 431


def test_every_answer_carries_a_request_id_and_a_given_one_is_kept(proxy: Proxy) -> None:
    assert proxy.ask("GET", "/api/v1/health").headers["x-request-id"]
    assert proxy.ask("GET", "/api/v1/health", x_request_id="mine").headers["x-request-id"] == "mine"


@pytest.mark.parametrize("path", ["/ai/chat", "/deskwire.v1.ChatService/Chat"])
def test_pages_of_a_named_origin_may_call(proxy: Proxy, path: str) -> None:
    headers = {"origin": ORIGIN, "access_control_request_method": "POST"}
    answer = proxy.ask("OPTIONS", path, **headers)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert "grpc-status-details-bin" in answer.headers["access-control-expose-headers"]


def test_pages_of_other_origins_may_not(proxy: Proxy) -> None:
    headers = {"origin": "https://evil.example", "access_control_request_method": "POST"}
    assert "access-control-allow-origin" not in proxy.ask("OPTIONS", "/ai/chat", **headers).headers


def test_grpc_web_is_understood(proxy: Proxy) -> None:
    path = "/deskwire.compat.v1.SupportAssistantService/GetHealth"
    answer = proxy.ask("POST", path, "\0\0\0\0\0", content_type="application/grpc-web+proto")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/grpc-web+proto")
    assert "healthy" in answer.body
    assert "grpc-status:0" in answer.body
    assert proxy.ask("POST", path, "!!!!", content_type="application/grpc-web-text").status == 400


@pytest.mark.parametrize("listener", ["http_port", "grpc_port"])
def test_grpc_health_and_reflection_pass_both_listeners(proxy: Proxy, listener: str) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{getattr(proxy, listener)}") as channel:
        answer = support_pb2_grpc.SupportAssistantServiceStub(channel).GetHealth(
            support_pb2.GetHealthRequest(), timeout=5
        )
        assert answer.status == "healthy"
        health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        listed = next(
            reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([request]), timeout=5)
        )
        assert "grpc.health.v1.Health" in {service.name for service in listed.list_services_response.service}


def test_an_unknown_method_is_unimplemented(proxy: Proxy) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{proxy.grpc_port}") as channel:
        call = channel.unary_unary("/deskwire.v1.ChatService/Nothing")
        with pytest.raises(grpc.RpcError) as caught:
            call(b"", timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
