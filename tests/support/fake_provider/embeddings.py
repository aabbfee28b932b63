"""Deterministic embeddings: words hashed into dimensions, so that texts with words in common are near each other."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import numpy as np

DIMENSIONS = 1_536


def answer(body: dict[str, Any]) -> dict[str, Any]:
    """The answer of `/v1/embeddings`, as floats or base64 as asked for."""
    texts = [body["input"]] if isinstance(body["input"], str) else list(body["input"])
    dimensions = body.get("dimensions", DIMENSIONS)
    rows = []
    for index, text in enumerate(texts):
        vector = embed(text, dimensions)
        coded: Any = vector.tolist()
        if body.get("encoding_format") == "base64":
            coded = base64.b64encode(vector.tobytes()).decode()
        rows.append({"object": "embedding", "index": index, "embedding": coded})
    used = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": used, "total_tokens": used}
    return {"object": "list", "data": rows, "model": body["model"], "usage": usage}


def embed(text: str, dimensions: int = DIMENSIONS) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A vector of length 1."""
    vector = np.zeros(dimensions, dtype=np.float32)
    for word in re.findall(r"\w+", text.lower()) or [""]:
        digest = hashlib.sha256(word.encode()).digest()
        for start in range(0, 16, 4):
            number = int.from_bytes(digest[start : start + 4], "little")
            vector[number % dimensions] += 1.0 if number & 0x8000_0000 else -1.0
    length = float(np.linalg.norm(vector))
    return (vector / length if length else vector).astype(np.float32)
