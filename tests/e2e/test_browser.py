"""The page in headless Chromium, through the real Envoy: journeys in `browser/`, one stack for all of them.

Answers come word by word from a fake provider. `DESKWIRE_E2E_URL` tries a stack that runs already (without `outage`).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deskwire_server.settings import Settings
from deskwire_server.stack import state
from tests.support.free_ports import PORTS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
JOURNEYS = Path(__file__).parent / "browser"
ARTIFACTS = ROOT / "test-artifacts" / "browser"
CHROMIUM = os.environ.get("DESKWIRE_CHROMIUM", "/usr/bin/chromium")
START_LIMIT = 120.0
END_LIMIT = 30.0

ANSWER = """You can change your plan at any time [1]. The new plan begins at once, and what is left of the old one is \
taken into account when the next invoice is made [2].

| Plan | Seats | Price |
| --- | ---: | ---: |
| Team | 50 | 11 |
| Business | 250 | 19 |

Owners may also do so from their own scripts:

```bash
curl -X POST https://api.example.com/v2/plan -d '{"plan": "business"}'
```

Nothing is deleted when you choose a smaller plan."""


_WISHES = ("stop", "start", "kill", "freeze", "thaw", "cut")
"""What a journey may ask for: methods of the stack."""


class Stack:
    """`deskwire run` with the demo's tenant, and the fake provider behind it."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._demo_log = data_dir / "logs" / "demo.log"
        self._frozen: psutil.Process | None = None
        self._provider = subprocess.Popen(
            [sys.executable, "-m", "tests.support.fake_provider", "--pace", "0.04", "--text", ANSWER],
            stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        assert self._provider.stdout is not None
        provider = self._provider.stdout.readline().strip()
        self._environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "DESKWIRE_DATA_DIR": str(data_dir),
            "DESKWIRE_WEB_DIR": str(ROOT / "clients" / "web" / "dist"),
            "DESKWIRE_EMBEDDER": "local",
            "DESKWIRE_WORKERS": "2",
            "AI_SERVICE_PORT": str(PORTS.choose()),
            "DESKWIRE_GRPC_PORT": str(PORTS.choose()),
            "AI_DEFAULT_PROVIDER": "openai",
            "OPENAI_API_KEY": "sk-not-a-key",
            "OPENAI_BASE_URL": f"{provider}/v1",
            "ANTHROPIC_API_KEY": "sk-ant-not-a-key",
            "ANTHROPIC_BASE_URL": provider,
            "AI_SERVICE_URL": f"{provider}/v1",
            "DESKWIRE_COMPATIBLE_MODEL": "house-model",
            # The model says the same whatever it is asked: its titles would all be alike.
            "DESKWIRE_BACKGROUND_PROVIDER": "builtin",
        }
        self.url = f"http://127.0.0.1:{self._environment['AI_SERVICE_PORT']}"
        self._run: subprocess.Popen[str] | None = None

    def answer_by(self, provider: str) -> None:
        """Let another provider answer from the next start on."""
        self._environment["AI_DEFAULT_PROVIDER"] = provider

    def start(self) -> None:
        """Start it; returns when it is ready and the demo's articles are there, which are loaded behind its back."""
        self._run = subprocess.Popen(
            [sys.executable, "-m", "deskwire_server", "run", "--json"],
            stdout=subprocess.PIPE, text=True, env=self._environment, cwd=ROOT,
        )  # fmt: skip
        assert self._run.stdout is not None
        line = self._run.stdout.readline()
        assert line, f"the stack does not start: its exit code is {self._run.wait(END_LIMIT)}, its reason is on stderr"
        assert json.loads(line)
        deadline = time.monotonic() + START_LIMIT
        while "loaded" not in self._demo_log.read_text():
            assert time.monotonic() < deadline, self._demo_log.read_text()
            time.sleep(0.1)

    def kill(self) -> None:
        """SIGKILL for the worker that writes an answer now."""
        self._writer().kill()

    def freeze(self) -> None:
        """SIGSTOP for the worker that writes an answer now."""
        self._frozen = self._writer()
        self._frozen.suspend()

    def thaw(self) -> None:
        """Let the worker that was frozen go on, unless the stack has replaced it."""
        assert self._frozen is not None
        if self._frozen.is_running():
            self._frozen.resume()
        self._frozen = None

    def cut(self) -> None:
        """SIGKILL for Envoy: every connection of every browser ends at once, and another Envoy is started."""
        self._child("envoy").kill()

    def _writer(self) -> psutil.Process:
        """The worker that writes an answer now."""
        running = state.load(Settings(_env_file=None, data_dir=self._data_dir))
        assert running is not None
        for grpc_port, http_port in running.workers:
            with urllib.request.urlopen(f"http://127.0.0.1:{http_port}/metrics", timeout=5) as answer:
                said = re.search(r"^deskwire_running_turns (\S+)$", answer.read().decode(), re.M)
            if said is not None and float(said[1]) > 0:
                return next(worker for worker in self._children() if _listens(worker, grpc_port))
        raise AssertionError("no worker writes an answer")

    def _children(self) -> list[psutil.Process]:
        assert self._run is not None
        return psutil.Process(self._run.pid).children()

    def _child(self, name: str) -> psutil.Process:
        return next(child for child in self._children() if child.name() == name)

    def stop(self) -> None:
        """Stop it; its data stays."""
        if self._run is not None:
            _end(self._run)

    def end(self) -> None:
        """End everything."""
        self.stop()
        _end(self._provider)


def _listens(process: psutil.Process, port: int) -> bool:
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in process.net_connections())


def _end(process: subprocess.Popen[str]) -> None:
    """End a process of ours, if it has not ended, and let its pipe go."""
    if process.poll() is None:
        process.terminate()
    process.wait(END_LIMIT)
    if process.stdout is not None:
        process.stdout.close()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    for program in ("node", CHROMIUM):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if not (ROOT / "clients" / "web" / "dist" / "index.html").is_file():
        pytest.fail("the page is not built: npm run build in clients/web")
    made = Stack(tmp_path_factory.mktemp("browser") / "data")
    try:
        made.start()
        yield made
    finally:
        made.end()


def _play(journey: str, stack: Stack, **variables: str) -> None:
    """Run a journey, doing to the server what it asks for; its output is the reason when it fails."""
    environment = os.environ | {
        "DESKWIRE_E2E_URL": os.environ.get("DESKWIRE_E2E_URL", stack.url),
        "DESKWIRE_E2E_ARTIFACTS": str(ARTIFACTS),
        **variables,
    }
    said = []
    with subprocess.Popen(
        ["node", str(JOURNEYS / f"{journey}.mjs")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=ROOT,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if line.startswith("please: "):
                wish = line.split()[1]
                assert wish in _WISHES
                getattr(stack, wish)()
                process.stdin.write("done\n")
                process.stdin.flush()
    assert process.returncode == 0, "".join(said)


@pytest.mark.parametrize("journey", ["chat", "branches", "look", "knowledge", "quickstart", "outage", "lost"])
def test_journey(journey: str, stack: Stack) -> None:
    _play(journey, stack)


@pytest.mark.parametrize(
    ("provider", "model"), [("anthropic", "claude-haiku-4-5"), ("compatible", "house-model"), ("openai", "gpt-4o-mini")]
)
def test_the_page_through_each_provider(provider: str, model: str, stack: Stack) -> None:
    stack.stop()
    stack.answer_by(provider)
    stack.start()
    _play("provider", stack, DESKWIRE_E2E_MODEL=model)


def test_an_open_question_becomes_an_article(stack: Stack) -> None:
    """By quoting: the fake model would answer anything."""
    stack.stop()
    stack.answer_by("builtin")
    stack.start()
    _play("gaps", stack)
