"""The stack that most end-to-end tests share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator, Iterator
from uuid import uuid4

import pytest

from deskwire_server.demo import content
from tests.support.slow_model import SlowModel
from tests.support.stack import RealStack, until

ORIGIN = "https://portal.example"
"""The only foreign origin whose pages may call the shared stack."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/e2e" in str(item.path):
            item.add_marker(pytest.mark.e2e)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where DESKWIRE_NO_SKIP is 1, as in continuous integration, what is skipped counts as failed."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("DESKWIRE_NO_SKIP") == "1":
        report.outcome = "failed"
    return report


@pytest.fixture(scope="session")
def model() -> Iterator[SlowModel]:
    """A model server that writes slowly, so that a test can act in the middle of an answer."""
    with SlowModel() as running:
        yield running


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, model: SlowModel) -> Iterator[RealStack]:
    """The whole stack with the demo tenant. The built-in provider answers unless a call names `compatible`."""
    made = RealStack(
        tmp_path_factory.mktemp("stack"),
        CORS_ORIGINS=ORIGIN,
        AI_DEFAULT_PROVIDER="builtin",
        AI_SERVICE_URL=model.url,
        # Short, so that calls which never come to an end are ended while a test waits.
        RESPONSE_TIMEOUT="6",
        DESKWIRE_HEARTBEAT_INTERVAL="1",
    )
    try:
        made.start()
        until(lambda: _has_demo(made), limit=60)
        yield made
    finally:
        made.end()


def _has_demo(stack: RealStack) -> bool:
    """Whether the demo tenant is loaded, which goes on while calls are answered already."""
    listed = stack.ask("GET", "/v1/articles", token=stack.token()).json
    return bool(listed["totalCount"] == len(content.articles()))


@pytest.fixture
def tenant() -> str:
    """A tenant of this test's own; the demo secret makes it with its first use."""
    return f"t-{uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """Path of a program that not every machine has: without it the test is skipped by its name."""

    def find(name: str) -> str:
        path = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), ".cache/bin"]))
        if path is None:
            pytest.skip(f"{name} is not installed")
        return path

    return find
