"""The HTTP side port: metrics, demo tokens where they may be, security headers everywhere."""

from __future__ import annotations

from pathlib import Path

import jwt
import pytest
from prometheus_client import CollectorRegistry, Counter
from pydantic import SecretStr
from starlette.testclient import TestClient

from deskwire_server.http.app import create
from deskwire_server.settings import Settings

DEMO = Settings(_env_file=None)
OWN_SECRET = Settings(_env_file=None, jwt_secret=SecretStr("a secret of our own, of more than 32 bytes"))


def client(settings: Settings = DEMO, web_dir: Path | None = None) -> TestClient:
    registry = CollectorRegistry()
    Counter("deskwire_test", "A count.", registry=registry).inc()
    return TestClient(create(settings, registry, web_dir))


@pytest.fixture
def page(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<title>Deskwire</title>")
    (tmp_path / "assets" / "app-1a2b.js").write_text("1")
    (tmp_path.parent / "secret.txt").write_text("secret")
    return tmp_path


def test_metrics_and_headers() -> None:
    response = client().get("/metrics")
    assert "deskwire_test_total 1.0" in response.text
    for path in ("/metrics", "/nothing", "/demo-token"):
        headers = client().get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("role", ["user", "agent", "admin", "service"])
def test_a_demo_token_of_each_role(role: str) -> None:
    response = client().get("/demo-token", params={"role": role})
    given = response.json()
    said = jwt.decode(given["token"], options={"verify_signature": False})
    assert (said["tenant"], said["role"], given["role"]) == ("demo", role, role)
    assert response.headers["cache-control"] == "no-store"


def test_a_demo_token_of_no_role() -> None:
    assert client().get("/demo-token", params={"role": "owner"}).status_code == 400


def test_no_demo_token_with_a_secret_of_our_own() -> None:
    assert client(OWN_SECRET).get("/demo-token").status_code == 404


def test_without_a_page_it_says_how_to_build_one() -> None:
    response = client().get("/")
    assert response.status_code == 404
    assert "make run" in response.text


def test_the_page_and_its_files(page: Path) -> None:
    served = client(web_dir=page)
    assert "Deskwire" in served.get("/").text
    assert served.get("/").headers["cache-control"] == "no-cache"
    assert "immutable" in served.get("/assets/app-1a2b.js").headers["cache-control"]
    for path in ("/../secret.txt", "/%2e%2e/secret.txt", "/assets/..%2f..%2fsecret.txt", "//etc/passwd"):
        assert "secret" not in served.get(path).text, path
