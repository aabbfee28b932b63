"""The Envoy configuration, checked by Envoy itself."""

from __future__ import annotations

import dataclasses
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deskwire_server.settings import Settings
from deskwire_server.stack import envoy
from deskwire_server.stack.envoy import EnvoyConfig, Place
from deskwire_server.stack.errors import StackError


@pytest.fixture
def config(tmp_path: Path) -> EnvoyConfig:
    return EnvoyConfig(
        http=Place("127.0.0.1", 8001),
        grpc=Place("127.0.0.1", 50051),
        workers_grpc=[Place("127.0.0.1", 9001), Place("127.0.0.1", 9003)],
        workers_http=[Place("127.0.0.1", 9002), Place("127.0.0.1", 9004)],
        access_log="/dev/stdout",
        services=envoy.transcoded_services(envoy.DESCRIPTOR),
        read_paths=envoy.read_paths(envoy.DESCRIPTOR),
        admin_socket=str(tmp_path / "admin.sock"),
    )


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    """A file with a self-signed certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1)
    )
    path = tmp_path / "server.pem"
    path.write_bytes(
        builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


def _validate(config: EnvoyConfig, folder: Path) -> str:
    file = folder / "envoy.yaml"
    file.write_text(envoy.render(config))
    done = subprocess.run(
        [str(envoy.find_program()), "--mode", "validate", "--log-level", "warning", "-c", str(file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr if done.returncode else ""


def test_the_plain_form_is_valid(config: EnvoyConfig, tmp_path: Path) -> None:
    assert _validate(config, tmp_path) == ""


def test_the_form_with_everything_on_is_valid(config: EnvoyConfig, tmp_path: Path, pem: Path) -> None:
    full = dataclasses.replace(
        config,
        http=Place("0.0.0.0", 443),
        workers_grpc=[Place("workers.deskwire", 50051)],
        workers_http=[Place("workers.deskwire", 8081)],
        discovery="STRICT_DNS",
        admin_socket="",
        cors_origins=["https://portal.example", "*", 'https://odd"quote.example'],
        tls_certificate=str(pem),
        tls_key=str(pem),
        tls_client_ca=str(pem),
        upstream_keepalive=30,
    )
    assert _validate(full, tmp_path) == ""


def test_mutual_tls_is_asked_for_on_the_grpc_listener_alone(config: EnvoyConfig, pem: Path) -> None:
    text = envoy.render(dataclasses.replace(config, tls_certificate=str(pem), tls_key=str(pem), tls_client_ca=str(pem)))
    listeners = yaml.safe_load(text)["static_resources"]["listeners"]
    asked = {
        listener["name"]: listener["filter_chains"][0]["transport_socket"]["typed_config"]["require_client_certificate"]
        for listener in listeners
    }
    assert asked == {"http": False, "grpc": True}


def test_every_worker_is_an_endpoint(config: EnvoyConfig) -> None:
    clusters = yaml.safe_load(envoy.render(config))["static_resources"]["clusters"]
    ports = {
        cluster["name"]: [
            endpoint["endpoint"]["address"]["socket_address"]["port_value"]
            for endpoint in cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
        ]
        for cluster in clusters
    }
    assert ports == {"workers": [9001, 9003], "pages": [9002, 9004]}


def test_services_with_paths_are_found_in_the_contract() -> None:
    services = envoy.transcoded_services(envoy.DESCRIPTOR)
    assert "deskwire.v1.ChatService" in services
    assert all(service.startswith("deskwire.") for service in services)


def test_calls_that_only_read_are_found_in_the_contract() -> None:
    paths = envoy.read_paths(envoy.DESCRIPTOR)
    assert "/deskwire.v1.KnowledgeService/SearchKnowledge" in paths
    assert not any("Create" in path or "Chat/" in path for path in paths)


def test_calls_on_which_nothing_moves_for_long_have_no_idle_limit(config: EnvoyConfig) -> None:
    for listener in yaml.safe_load(envoy.render(config))["static_resources"]["listeners"]:
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        routes = manager["route_config"]["virtual_hosts"][0]["routes"]
        slow = [each["route"] for each in routes if "Import" in str(each["match"])]
        assert slow
        assert {(each["idle_timeout"], each["max_stream_duration"]["max_stream_duration"]) for each in slow} == {
            ("0s", "1800s")
        }


def test_no_foreign_origin_may_call_unless_it_is_named(config: EnvoyConfig) -> None:
    def policies(made: EnvoyConfig) -> str:
        http = yaml.safe_load(envoy.render(made))["static_resources"]["listeners"][0]
        manager = http["filter_chains"][0]["filters"][0]["typed_config"]
        return str(manager["route_config"]["virtual_hosts"][0].get("typed_per_filter_config", ""))

    assert policies(config) == ""
    assert "https://portal.example" in policies(dataclasses.replace(config, cors_origins=["https://portal.example"]))


def test_a_missing_descriptor_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="run `make gen`"):
        envoy.transcoded_services(tmp_path / "none.binpb")


def _settings(**values: object) -> Settings:
    return Settings(_env_file=None, **values)  # type: ignore[arg-type]


def _config_of(settings: Settings, folder: Path) -> EnvoyConfig:
    return envoy.config_of(settings, workers=[(1, 2)], admin_socket=folder / "a.sock", access_log=folder / "a.log")


def test_a_certificate_without_a_key_is_refused(tmp_path: Path, pem: Path) -> None:
    with pytest.raises(StackError, match="must be set together"):
        _config_of(_settings(tls_certificate=pem), tmp_path)


def test_a_missing_certificate_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"no file .*none\.pem"):
        _config_of(_settings(tls_certificate=tmp_path / "none.pem", tls_key=tmp_path / "none.pem"), tmp_path)


def test_a_host_name_becomes_an_address_and_limits_leave_room(tmp_path: Path) -> None:
    made = _config_of(_settings(host="localhost", heartbeat_interval=30, stream_max_duration=100), tmp_path)
    assert made.http.host in ("127.0.0.1", "::1")
    assert made.idle_timeout == 120
    assert made.max_stream_duration == 160
