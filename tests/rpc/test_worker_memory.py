"""What a worker of the core profile loads at its start, and how much memory that takes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import grpc
import psutil

from tests.rpc.test_worker import free_port, is_serving, settings_of
from tests.support.postgres import TestPostgres

MOST = 150e6
"""Bytes; 136 MB were measured."""
NOT_LOADED = {
    "aiohttp", "alembic", "anthropic", "boto3", "cryptography.hazmat", "fastapi", "httpx", "markdown_it",
    "openai", "phonenumbers", "psycopg", "pypdf", "rapidfuzz", "rich", "safetensors", "snowballstemmer",
    "sqlalchemy.orm", "yaml",
}  # fmt: skip
"""Heavy modules that only some workers need, or only other processes."""
CORE = {
    "DESKWIRE_ANALYSIS": "off",
    "DESKWIRE_RETRIEVAL": "off",
    "DESKWIRE_BACKGROUND_JOBS": "off",
    "AI_DEFAULT_PROVIDER": "compatible",
    "AI_SERVICE_URL": "http://127.0.0.1:9",
    "DESKWIRE_BEHIND_PROXY": "true",
}
PROGRAM = """
import importlib.util
import sys
from deskwire_server import worker
code = worker.main()
print(*(name for name, module in sys.modules.items() if type(module) is not importlib.util._LazyModule))
sys.exit(code)
"""


def settled(process: psutil.Process) -> int:
    """Memory of a process once it has stopped growing, in bytes."""
    last, now = 0, process.memory_info().rss
    while now > last * 1.005:
        time.sleep(0.5)
        last, now = now, process.memory_info().rss
    return int(now)


def test_a_worker_of_the_core_profile_is_small(postgres: TestPostgres, tmp_path: Path) -> None:
    port = free_port()
    environment = {**settings_of(postgres), **CORE, "DESKWIRE_WORKER_GRPC_PORT": str(port)}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                assert is_serving(channel)
            resident = settled(psutil.Process(process.pid))
            process.send_signal(signal.SIGTERM)
            output, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0
    loaded = set(output.split())
    assert "deskwire_server.worker" in loaded
    assert loaded & NOT_LOADED == set()
    assert resident <= MOST
