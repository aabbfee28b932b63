"""A model server for the end-to-end tests: an OpenAI-compatible process that writes one word after the other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

WORDS = 20
PACE = 0.1
TEXT = " ".join(f"word{number}" for number in range(1, WORDS + 1))
"""The answer to everything."""


class SlowModel:
    """The process. Its answers take about `WORDS * PACE` seconds."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.fake_provider", "--text", TEXT, "--pace", str(PACE)],
            stdout=subprocess.PIPE, text=True, cwd=Path.cwd(),
            env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )  # fmt: skip
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.communicate(timeout=10)
