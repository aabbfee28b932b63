"""Prints a table of CPU time a token: `python -m benchmarks.providers`.

The provider is the tests' fake, in a process of its own; only the reading process is measured. Paced answers come a
token at a time, as from a model; unpaced ones as fast as they can be written, many tokens in one read.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import uvloop

from benchmarks.providers.readers import READERS, Reader
from tests.support.fake_provider import Script


@dataclass(frozen=True)
class Load:
    """What is asked of a reader."""

    name: str
    conversations: int
    """Answers at the same time."""
    rounds: int
    pace: float
    """Seconds between two tokens."""


LOADS = (
    Load("paced, 20 conversations", conversations=20, rounds=2, pace=0.02),
    Load("unpaced, 20 conversations", conversations=20, rounds=6, pace=0),
)


@asynccontextmanager
async def fake_provider(text: str, load: Load) -> AsyncGenerator[str]:
    """The fake in a process of its own; gives its address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.fake_provider", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        async with aiohttp.ClientSession() as session:
            standing = Script(text=text, pace=load.pace).as_json()
            await session.put(f"{url}/fake/scripts", json={"standing": standing})
        yield url
    finally:
        process.terminate()
        await process.wait()


async def measure(read: Reader, load: Load, text: str, tokens: int) -> float:
    """CPU microseconds a token."""
    await read()
    began = time.process_time()
    for _ in range(load.rounds):
        lengths = await asyncio.gather(*(read() for _ in range(load.conversations)))
        assert set(lengths) == {len(text)}
    return (time.process_time() - began) / (load.rounds * load.conversations * tokens) * 1e6


async def run(tokens: int, repeats: int) -> None:
    """Measure everything, print Markdown."""
    text = " ".join(f"token{number % 10}" for number in range(tokens))
    print(f"| wire | reader | {' | '.join(load.name for load in LOADS)} |")
    print(f"| --- | --- |{' ---: |' * len(LOADS)}")
    for wire, readers in READERS.items():
        costs: dict[str, list[float]] = {name: [] for name in readers}
        for load in LOADS:
            async with fake_provider(text, load) as url:
                for name, make in readers.items():
                    read, close = make(url)
                    costs[name].append(
                        statistics.median([await measure(read, load, text, tokens) for _ in range(repeats)])
                    )
                    await close()
        for name, row in costs.items():
            print(f"| {wire} | {name} | {' | '.join(f'{cost:.1f}' for cost in row)} |", flush=True)


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=128, help="tokens of an answer")
    parser.add_argument("--repeats", type=int, default=3, help="runs a cell; the median counts")
    arguments = parser.parse_args()
    print("CPU µs a token of the reading process; the start of each answer is part of it.\n")
    uvloop.run(run(arguments.tokens, arguments.repeats))


if __name__ == "__main__":
    main()
