"""Import a folder of Markdown, HTML and text files. Needs a token of an administrator or a service."""

from __future__ import annotations

import asyncio
import os
import sys

from deskwire_client import DeskwireClient, DeskwireError, ImportOutcome, ImportProgress


def tell(step: ImportProgress) -> None:
    print(f"{step.done} of {step.total}", file=sys.stderr)


async def main(folder: str) -> int:
    server = os.environ.get("DESKWIRE_SERVER", "127.0.0.1:50051")
    try:
        async with DeskwireClient(server, token=os.environ["DESKWIRE_TOKEN"]) as client:
            summary = await client.import_folder(folder, progress=tell)
    except (DeskwireError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
    for failure in summary.failures:
        print(f"{failure.source_path}: {failure.message}", file=sys.stderr)
    for outcome in (ImportOutcome.CREATED, ImportOutcome.UPDATED, ImportOutcome.UNCHANGED, ImportOutcome.FAILED):
        print(f"{outcome}: {summary.count(outcome)}")
    return 6 if summary.failures else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: import_folder.py FOLDER")
    sys.exit(asyncio.run(main(sys.argv[1])))
