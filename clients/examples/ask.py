"""Ask one question and print the answer with its sources."""

from __future__ import annotations

import os
import sys

from deskwire_client import DeskwireError, SyncDeskwireClient


def main() -> int:
    question = " ".join(sys.argv[1:]) or "How do I reset my password?"
    server = os.environ.get("DESKWIRE_SERVER", "127.0.0.1:50051")
    try:
        with SyncDeskwireClient(server, token=os.environ["DESKWIRE_TOKEN"]) as client:
            answer = client.ask(question)
    except DeskwireError as error:
        print(f"{error.code} {error.reason}: {error}", file=sys.stderr)
        return 1
    print(answer.text)
    for source in answer.citations:
        print(f"[{source.number}] {source.title} — {source.source_path or source.url}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
