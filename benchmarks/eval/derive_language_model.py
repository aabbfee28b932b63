"""Derives the small model of letter groups from py3langid's: `python -m benchmarks.eval.derive_language_model`.

py3langid itself takes 60 MB and half a second to load in every worker; chats need fewer languages and letter groups.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from deskwire_server.understanding import letters
from deskwire_server.understanding.language import MODEL_LANGUAGES

_TARGET = Path(letters.__file__).with_name("letters.npz")
_NAMES = {"no": "nb"}


def main() -> int:
    """Write the model into the package."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.eval.derive_language_model", description=__doc__)
    parser.add_argument("--groups", type=int, default=45_000, help="letter groups that are kept")
    options = parser.parse_args()
    whole = LanguageIdentifier.from_model_file(MODEL_FILE)
    names = [_NAMES.get(name, name) for name in whole.nb_classes]
    columns = [index for index, name in enumerate(names) if name in MODEL_LANGUAGES]
    table = np.asarray(whole.nb_ptc)[:, columns].astype(np.float32)
    groups = _groups(whole)
    kept = np.sort(np.argsort(-_telling(table))[: options.groups])
    centred = table[kept] - table[kept].mean(axis=1, keepdims=True)
    scale = float(np.abs(centred).max()) / 127
    with _TARGET.open("wb") as file:
        np.savez_compressed(
            file,
            languages=np.array([names[column] for column in columns]),
            lengths=np.array([len(groups[index]) for index in kept], dtype=np.uint8),
            groups=np.frombuffer(b"".join(groups[index] for index in kept), dtype=np.uint8),
            weights=np.round(centred / scale).astype(np.int8),
            scale=np.float32(scale),
            prior=np.asarray(whole.nb_pc, dtype=np.float32)[columns],
        )
    print(f"wrote {_TARGET}: {len(kept)} groups, {len(columns)} languages, {_TARGET.stat().st_size >> 10} kB")
    return 0


def _groups(whole: LanguageIdentifier) -> list[bytes]:
    """The bytes of each feature: the shortest way to the automaton's state that tells it."""
    moves = np.asarray(whole.tk_nextmove, dtype=np.int64).reshape(-1, 256)
    ways: list[bytes | None] = [None] * len(whole.tk_row)
    ways[0] = b""
    level = [0]
    while level:
        following = []
        for state in level:
            for byte, reached in enumerate(moves[whole.tk_row[state]].tolist()):
                if ways[reached] is None:
                    ways[reached] = (ways[state] or b"") + bytes([byte])
                    following.append(reached)
        level = following
    found: dict[int, bytes] = {}
    for state, feature in enumerate(whole.tk_output):
        way = ways[state]
        if feature >= 0 and way is not None and (feature not in found or len(way) < len(found[feature])):
            found[feature] = way
    return [found.get(index, b"") for index in range(len(whole.nb_ptc))]


def _telling(table: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much each feature tells of the language: its share of the mutual information."""
    likely = np.exp(table)
    mean = likely.mean(axis=1, keepdims=True)
    told: NDArray[np.float32] = (likely * (table - np.log(mean))).sum(axis=1)
    return told


if __name__ == "__main__":
    raise SystemExit(main())
