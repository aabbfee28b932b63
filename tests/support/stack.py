"""The real stack as a process of its own, as `make run` starts it, and how to talk to it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import psutil

from deskwire_server.auth import tokens
from deskwire_server.auth.caller import Role
from deskwire_server.settings import Settings
from deskwire_server.stack import state
from deskwire_server.stack.state import RunState
from tests.support.free_ports import PORTS

DESKWIRE = Path(sys.executable).with_name("deskwire")
START_LIMIT = 90.0
_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "COVERAGE_PROCESS_START")


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class RealStack:
    """`deskwire run` on free ports with its data below `folder`. Settings of the developer's shell stay out of it."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.http_port = PORTS.choose()
        self.grpc_port = PORTS.choose()
        self.environment = {name: os.environ[name] for name in _INHERITED if name in os.environ} | {
            "DESKWIRE_DATA_DIR": str(folder / "data"),
            "AI_SERVICE_PORT": str(self.http_port),
            "DESKWIRE_GRPC_PORT": str(self.grpc_port),
        } | environment  # fmt: skip
        self.line: dict[str, Any] = {}
        """What it printed when it was ready."""
        self._process: subprocess.Popen[str] | None = None

    @property
    def process(self) -> psutil.Process:
        """The launcher."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    @property
    def grpc_address(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def http_address(self) -> str:
        return f"127.0.0.1:{self.http_port}"

    @property
    def url(self) -> str:
        return f"http://{self.http_address}"

    def start(self, *arguments: str) -> None:
        """Start it and wait until it says that it is ready. Raises AssertionError with what it says otherwise."""
        errors = (self.folder / "stderr.txt").open("w")
        self._process = subprocess.Popen(
            [str(DESKWIRE), "run", "--json", *arguments],
            stdout=subprocess.PIPE, stderr=errors, text=True, env=self.environment, cwd=self.folder,
        )  # fmt: skip
        errors.close()
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"it did not start: {self.notices()}"
        self.line = json.loads(line)

    def end(self) -> None:
        """End it whatever its state; nothing happens when it was not started."""
        if self._process is not None:
            self.stop()

    def notices(self) -> str:
        """What it said on stderr."""
        return (self.folder / "stderr.txt").read_text()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it in good order. Returns its exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            return self._process.wait(timeout=15)
        finally:
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()

    def refused(self) -> tuple[int, str]:
        """Start it where it must refuse: its exit code and what it says."""
        done = self.command("run", "--json", timeout=START_LIMIT)
        assert done.stdout == ""
        return done.returncode, done.stderr.strip()

    def state(self) -> RunState:
        """What it tells other commands."""
        data_dir = Path(self.environment["DESKWIRE_DATA_DIR"])
        found = state.load(Settings(_env_file=None, data_dir=data_dir))
        assert found is not None
        return found

    def parts(self, word: str) -> list[psutil.Process]:
        """Its children whose command line has `word` in it."""
        return [child for child in self.process.children() if any(word in each for each in child.cmdline())]

    def token(self, tenant: str = "demo", user: str = "ana", role: Role | str = Role.USER) -> str:
        """A token as this stack accepts it."""
        settings = Settings(_env_file=None, **self._secret())  # type: ignore[arg-type]
        return tokens.mint(settings, tenant=tenant, user=user, role=Role(role))

    def _secret(self) -> dict[str, str]:
        secret = self.environment.get("JWT_SECRET")
        return {"jwt_secret": secret} if secret else {}

    def ask(
        self, method: str, path: str, body: object = None, *, token: str | None = None, headers: Mapping[str, str] = {}
    ) -> Answer:
        """One HTTP request with the path exactly as given; `body` is text or bytes as they are, or else made JSON."""
        with self.asking(method, path, body, token=token, headers=headers) as answer:
            return Answer(
                answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode(errors="replace")
            )

    @contextmanager
    def asking(
        self, method: str, path: str, body: object = None, *, token: str | None = None, headers: Mapping[str, str] = {}
    ) -> Iterator[http.client.HTTPResponse]:
        """The same, for an answer that is read as it arrives."""
        sent = dict(headers)
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        if body is not None:
            sent = {"content-type": "application/json"} | sent
        if body is not None and not isinstance(body, str | bytes):
            body = json.dumps(body)
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=60)
        try:
            connection.request(method, path, body.encode() if isinstance(body, str) else body, sent)
            yield connection.getresponse()
        finally:
            connection.close()

    def post(self, path: str, body: object, *, token: str | None = None) -> Any:
        """A JSON call that must succeed; its answer."""
        answer = self.ask("POST", path, body, token=token)
        assert answer.status == 200, answer.body
        return answer.json

    def channel(self) -> grpc.Channel:
        """A gRPC channel through Envoy. Use it as a context manager."""
        return grpc.insecure_channel(self.grpc_address)

    def command(
        self, *arguments: str, input: str | None = None, timeout: float = 60, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line in this stack's environment."""
        return subprocess.run(
            [str(DESKWIRE), *arguments],
            input=input, capture_output=True, text=True, timeout=timeout, cwd=self.folder, check=False,
            env=self.environment | environment, stdin=subprocess.DEVNULL if input is None else None,
        )  # fmt: skip


def until(condition: Callable[[], bool], limit: float = 30) -> None:
    """Wait for something that has no event to wait for."""
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """Metadata of a gRPC call."""
    return (("authorization", f"Bearer {token}"),)
