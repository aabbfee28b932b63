"""Stream an answer as it is written. A lost connection is resumed; Ctrl-C stops the answer on the server too."""

from __future__ import annotations

import asyncio
import os
import sys

from deskwire_client import (
    Answer,
    Cancelled,
    Completed,
    DeskwireClient,
    DeskwireError,
    Failed,
    Started,
    StreamState,
    TextDelta,
)


def tell(state: StreamState) -> None:
    if state is StreamState.RECONNECTING:
        print("\n(reconnecting …)", file=sys.stderr)


async def show(answer: Answer) -> bool:
    async for event in answer:
        if isinstance(event, Started) and event.attempt > 1:
            print("\n(The answer starts again.)")
        elif isinstance(event, TextDelta):
            print(event.text, end="", flush=True)
        elif isinstance(event, Completed):
            print()
            for source in event.message.citations:
                print(f"[{source.number}] {source.title} — {source.source_path or source.url}")
            return True
        elif isinstance(event, Failed):
            print(f"\n{event.message}", file=sys.stderr)
        elif isinstance(event, Cancelled):
            print("\nStopped.", file=sys.stderr)
    return False


async def main() -> int:
    question = " ".join(sys.argv[1:]) or "How do I invite a colleague?"
    server = os.environ.get("DESKWIRE_SERVER", "127.0.0.1:50051")
    async with DeskwireClient(server, token=os.environ["DESKWIRE_TOKEN"]) as client:
        conversation = client.conversation(context={"current_page": "/dashboard"}, state=tell)
        answer = conversation.send(question)
        try:
            return 0 if await show(answer) else 1
        except asyncio.CancelledError:
            await answer.cancel()
            raise
        except DeskwireError as error:
            print(f"{error.code} {error.reason}: {error}", file=sys.stderr)
            return 1


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except KeyboardInterrupt:
        sys.exit(130)
