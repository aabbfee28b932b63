"""Heads as bytes: a compressed archive of plain arrays (npz) with a version; no pickles are written or read."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np

from deskwire_server.intents.heads.head import Head
from deskwire_server.intents.heads.metric import Metric
from deskwire_server.intents.heads.parts import Parts
from deskwire_server.intents.heads.scope import SIGNS, Judge

_VERSION = 1
_OPTIONAL = ("plain", "plain_examples", "words", "rarity", "kernel")
_HALF = frozenset({"wide", "projection", "examples", "plain", "plain_examples", "words", "kernel"})
"""Kept with half the bits: it changes no verdict that is worth anything."""
LARGEST = 256 * 1024 * 1024
"""Bytes that a head may have when it is unpacked."""


class BadHeadError(Exception):
    """The bytes are no head, or one of another version."""


def encode(head: Head) -> bytes:
    """The head as bytes."""
    parts = head.parts
    arrays: dict[str, Any] = {
        "wide": parts.wide, "mean": parts.metric.mean, "projection": parts.metric.projection,
        "examples": parts.examples, "labels": parts.labels.astype(np.int32), "means": parts.means,
        "mixing": head.mixing, "judge_middle": head.judge.middle, "judge_scale": head.judge.scale,
        "judge_weights": head.judge.weights, "trust": head.trust, "limit": np.array([head.limit, parts.metric.floor]),
        "meta": np.frombuffer(json.dumps({"version": _VERSION, "names": head.names}).encode(), dtype=np.uint8),
    }  # fmt: skip
    arrays |= {name: getattr(parts, name) for name in _OPTIONAL if getattr(parts, name) is not None}
    if parts.metric.basis is not None:
        arrays["basis"] = parts.metric.basis
    buffer = io.BytesIO()
    np.savez(buffer, **{key: value.astype(np.float16) if key in _HALF else value for key, value in arrays.items()})
    return buffer.getvalue()


def decode(data: bytes) -> Head:
    """The head in `data`, its shapes and values checked. Raises `BadHeadError`."""
    try:
        _check_size(data)
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
        meta = json.loads(arrays["meta"].tobytes())
        if meta["version"] != _VERSION:
            raise BadHeadError("a head of another version")
        return _assemble(tuple(map(str, meta["names"])), arrays)
    except (ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile) as error:
        raise BadHeadError(f"the bytes are no head ({type(error).__name__})") from error


def _check_size(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > LARGEST:
            raise BadHeadError("a head is too large")


def _assemble(names: tuple[str, ...], arrays: dict[str, Any]) -> Head:
    single = {key: value.astype(np.float32) for key, value in arrays.items() if value.dtype == np.float16}
    single |= {key: arrays[key].astype(np.float32) for key in ("mean", "means", "mixing")}
    if "rarity" in arrays:
        single["rarity"] = arrays["rarity"].astype(np.float32)
    labels = arrays["labels"].astype(np.int64)
    limit, floor = map(float, arrays["limit"])
    basis = arrays["basis"].astype(np.float32) if "basis" in arrays else None
    parts = Parts(
        classes=len(names), wide=single["wide"], metric=Metric(single["mean"], single["projection"], basis, floor),
        examples=single["examples"], labels=labels, means=single["means"],
        **{name: single[name] for name in _OPTIONAL if name in single},
    )  # fmt: skip
    doubles = {key: arrays[key].astype(np.float64) for key in ("judge_middle", "judge_scale", "judge_weights", "trust")}
    _check(parts, single["mixing"], doubles)
    judge = Judge(doubles["judge_middle"], doubles["judge_scale"], doubles["judge_weights"])
    return Head(names, parts, single["mixing"], judge, limit, doubles["trust"])


def _check(parts: Parts, mixing: Any, doubles: dict[str, Any]) -> None:
    classes, (rows, near) = parts.classes, parts.examples.shape
    wide = parts.metric.mean.shape[0]
    expected = {
        "wide": (parts.wide, (wide + 1, classes)),
        "projection": (parts.metric.projection, (wide, near)),
        "labels": (parts.labels, (rows,)),
        "means": (parts.means, (classes, near)),
        "mixing": (mixing, (parts.learners,)),
        "judge_middle": (doubles["judge_middle"], (SIGNS,)),
        "judge_scale": (doubles["judge_scale"], (SIGNS,)),
        "judge_weights": (doubles["judge_weights"], (SIGNS + 1,)),
        "trust": (doubles["trust"], (3,)),
    }
    if parts.metric.basis is not None:
        expected["basis"] = (parts.metric.basis, (wide, near))
        if not parts.metric.floor > 0:
            raise BadHeadError("the floor is none")
    if parts.plain is not None and parts.plain_examples is not None:
        expected["plain_examples"] = (parts.plain_examples, (rows, parts.plain.shape[0] - 1))
        if parts.kernel is not None:
            expected["kernel"] = (parts.kernel, (rows, classes))
    for name, (array, shape) in expected.items():
        if array.shape != shape:
            raise BadHeadError(f"{name} has the wrong shape")
        if not np.isfinite(array).all():
            raise BadHeadError(f"{name} has numbers that are none")
    if rows and not (int(parts.labels.min()) >= 0 and int(parts.labels.max()) < classes):
        raise BadHeadError("an example has a class that is none")
