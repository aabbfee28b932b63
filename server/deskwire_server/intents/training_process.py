"""A process that trains one head, so that the server's event loop and memory stay free.

Run as `python -m deskwire_server.intents.training_process FOLDER`. The folder holds `job.json` (names, labels, texts,
how many of these are aids, dimensions) and `vectors.f32`; `head.npz` and `report.json` are written into it. Lines
`SHARE STEP` tell of progress.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
HEAD, REPORT, JOB, VECTORS = "head.npz", "report.json", "job.json", "vectors.f32"
"""Names of the files in the folder."""


def main() -> int:
    """Train what the folder holds. Ends when its parent ends."""
    parser = argparse.ArgumentParser(prog="deskwire-training")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--processes", type=int, default=2, help="parts of the work that are done side by side")
    parser.add_argument("--parent", type=int, required=True, help="process id of whoever started this")
    options = parser.parse_args()
    _follow(options.parent)
    os.nice(5)
    _train(options.folder, options.processes)
    return 0


def _follow(parent: int) -> None:
    """End when the process `parent` ends, kill -9 included."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def _train(folder: Path, processes: int) -> None:
    import numpy as np

    from deskwire_server.intents import report
    from deskwire_server.intents.heads import codec, training
    from deskwire_server.intents.heads.parts import FEW_EXAMPLES, Rows

    job = json.loads((folder / JOB).read_text(encoding="utf-8"))
    labels = np.array(job["labels"], dtype=np.int64)
    vectors = np.fromfile(folder / VECTORS, dtype="<f4").reshape(len(labels), job["columns"])
    rows = Rows.of(vectors, job["plain_size"], job["texts"] if len(labels) <= FEW_EXAMPLES else None)
    each, asked = partial(_side_by_side, processes), len(labels) - job["aids"]
    head, measured = training.train(rows, labels, job["names"], _say, aids=job["aids"], each=each)
    (folder / HEAD).write_bytes(codec.encode(head))
    told = report.build(measured, labels[:asked], job["names"], job["texts"][:asked])
    (folder / REPORT).write_text(json.dumps(told), encoding="utf-8")


def _side_by_side(processes: int, jobs: Sequence[Callable[[], Any]], done: Callable[[int], None]) -> list[Any]:
    """Do jobs in forked processes, which see the rows without a copy. Threads of one matrix product gain less."""
    results: list[Any] = [None] * len(jobs)
    with ProcessPoolExecutor(
        processes, mp_context=multiprocessing.get_context("fork"), initializer=_follow, initargs=(os.getpid(),)
    ) as pool:
        _JOBS[:] = jobs
        waiting = {pool.submit(_job, place): place for place in range(len(jobs))}
        for count, future in enumerate(as_completed(waiting), 1):
            results[waiting[future]] = future.result()
            done(count)
    return results


_JOBS: list[Callable[[], Any]] = []
"""What forked processes find in their memory."""


def _job(place: int) -> Any:
    return _JOBS[place]()


def _say(share: float, step: str) -> None:
    sys.stdout.write(f"{share:.3f} {step}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
