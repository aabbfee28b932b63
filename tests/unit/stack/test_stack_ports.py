"""Free ports, and sentences about taken ones."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from deskwire_server.settings import Settings
from deskwire_server.stack import ports
from deskwire_server.stack.errors import StackError

pytestmark = pytest.mark.enable_socket


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def _settings(**values: object) -> Settings:
    return Settings(_env_file=None, **values)  # type: ignore[arg-type]


def test_a_listening_port_is_taken(taken: int) -> None:
    assert not ports.is_free("127.0.0.1", taken)


def test_the_preferred_port_is_taken_over_when_free() -> None:
    port = ports.find_free()
    assert ports.find_free(preferred=port) == port


def test_another_port_is_chosen_when_the_preferred_one_is_taken(taken: int) -> None:
    assert ports.find_free(preferred=taken) != taken


def test_ports_to_avoid_are_avoided() -> None:
    port = ports.find_free()
    assert ports.find_free(preferred=port, avoid={port}) != port


@pytest.mark.parametrize(("field", "setting"), [("http_port", "AI_SERVICE_PORT"), ("grpc_port", "DESKWIRE_GRPC_PORT")])
def test_a_taken_listener_is_named_with_its_setting(taken: int, field: str, setting: str) -> None:
    free = {"http_port": 0, "grpc_port": 0} | {field: taken}
    with pytest.raises(StackError, match=f"port {taken} on 127.0.0.1 is taken .* set {setting} to a free port"):
        ports.choose_listeners(_settings(**free))


def test_one_port_for_two_listeners_is_refused() -> None:
    with pytest.raises(StackError, match="AI_SERVICE_PORT and DESKWIRE_GRPC_PORT are both"):
        ports.choose_listeners(_settings(http_port=8001, grpc_port=8001))


def test_zero_becomes_a_free_port() -> None:
    chosen = ports.choose_listeners(_settings(http_port=0, grpc_port=0))
    assert 0 not in (chosen.http_port, chosen.grpc_port)
    assert chosen.http_port != chosen.grpc_port


def test_a_foreign_address_is_named() -> None:
    secret = "x" * 40
    with pytest.raises(StackError, match=r"cannot listen on AI_SERVICE_HOST 192\.0\.2\.1"):
        ports.choose_listeners(_settings(host="192.0.2.1", http_port=8001, grpc_port=8002, jwt_secret=secret))


def test_a_stack_gives_no_port_out_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    first = ports.Ports().choose()
    monkeypatch.setattr(ports.random, "sample", lambda *_: [first, first + 1, first + 2])
    public = ports.Ports((first,))
    assert len({first, public.choose(), public.choose()}) == 3


def test_a_held_port_is_out_of_reach_until_it_is_released() -> None:
    stack = ports.Ports()
    port = stack.hold()
    assert not ports.is_free("127.0.0.1", port)
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="in use"):
            stranger.bind(("127.0.0.1", port))
    stack.release()
    assert ports.is_free("127.0.0.1", port)


def test_what_a_port_is_held_for_listens_on_it_again_and_again() -> None:
    stack = ports.Ports()
    port = stack.hold()
    for _ in range(2):
        with ports.bind_held(port) as server:
            server.listen()
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
    stack.release()
