"""Runs the fake provider as a process of its own; prints its address and ends with SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import signal

from tests.support.fake_provider.script import Script
from tests.support.fake_provider.server import FakeProvider


async def _serve(arguments: argparse.Namespace) -> None:
    fake = FakeProvider(key=arguments.key)
    fake.standing = Script(text=arguments.text, pace=arguments.pace, first_token_delay=arguments.first_token_delay)
    await fake.start(host=arguments.host, port=arguments.port)
    print(fake.url, flush=True)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    await fake.close()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--key", help="the only key that is accepted; any by default")
    parser.add_argument("--text", help="what every answer says; by default an answer to the question")
    parser.add_argument("--pace", type=float, default=0.0, help="seconds between two events")
    parser.add_argument("--first-token-delay", type=float, default=0.0, help="seconds before the first event")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
