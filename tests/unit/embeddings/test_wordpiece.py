"""Word pieces agree with the model's own tokenizer (ids taken from it once)."""

from __future__ import annotations

import pytest

from deskwire_server.embeddings.minilm import model_folder
from deskwire_server.embeddings.wordpiece import WordPiece

GOLDEN = [
    ("", [101, 102]),
    ("This is an example sentence", [101, 2023, 2003, 2019, 2742, 6251, 102]),
    ("\xdcn\xefc\xf6d\xe9 na\xefve caf\xe9 \xc5NGSTR\xd6M", [101, 27260, 15743, 7668, 17076, 15687, 102]),
    (
        "\u65e5\u672c\u8a9e\u30c6\u30ad\u30b9\u30c8 \u3068 english",
        [101, 1864, 1876, 1950, 1713, 30227, 30233, 30240, 1666, 2394, 102],
    ),
    ("\u0130stanbul \u015eI\u015eLI \u0131", [101, 9960, 24761, 3669, 1104, 102]),
    ("a\x00b\x07c\ufffdd", [101, 5925, 2094, 102]),
    ("zero\u200bwidth\u200djoiner", [101, 5717, 9148, 11927, 2232, 5558, 26455, 102]),
    (
        "\uff46\uff55\uff4c\uff4c\uff57\uff49\uff44\uff54\uff48\u3000\uff53\uff50\uff41\uff43\uff45",
        [101, 100, 100, 102],
    ),
    (
        "\ud55c\uad6d\uc5b4 \ubb38\uc7a5\uc785\ub2c8\ub2e4",
        [
            101,
            1469,
            30006,
            30021,
            29991,
            30014,
            30020,
            29999,
            30008,
            1459,
            30014,
            30021,
            30000,
            30006,
            30025,
            29999,
            30019,
            30024,
            29992,
            30019,
            29993,
            30006,
            102,
        ],
    ),
    ("\u0939\u093f\u0928\u094d\u0926\u0940 \u092e\u0947\u0902", [101, 1339, 29877, 29863, 29861, 29878, 1331, 102]),
    ("emoji \U0001f600 flag \U0001f1e9\U0001f1ea", [101, 7861, 29147, 2072, 100, 5210, 100, 102]),
    ("x" * 101, [101, 100, 102]),
    (
        "x" * 100,
        [
            101,
            22038,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            20348,
            102,
        ],
    ),
    (
        "\xabquoted\xbb \u201elow\u201c \u2013 \u2014 \u2026 \u201a\u2018",
        [101, 1077, 9339, 1090, 1525, 2659, 1523, 1516, 1517, 1529, 1522, 1520, 102],
    ),
    ("price 10\u20ac $5 \xa33 \xa57", [101, 3976, 2184, 30102, 1002, 1019, 28182, 1071, 2581, 102]),
    (
        "a_b-c+d=e<f>g|h~i`j^k",
        [
            101,
            1037,
            1035,
            1038,
            1011,
            1039,
            1009,
            1040,
            1027,
            1041,
            1026,
            1042,
            1028,
            1043,
            1064,
            1044,
            1066,
            1045,
            1036,
            1046,
            1034,
            1047,
            102,
        ],
    ),
    ("tab\tnew\nline\rcr\xa0nbsp", [101, 21628, 2047, 2240, 13675, 1050, 5910, 2361, 102]),
    ("\xdf \u1e9e \ufb01 \ufb02", [101, 1096, 1096, 1984, 1985, 102]),
    (
        "antidisestablishmentarianism plausible.init()",
        [101, 3424, 10521, 4355, 7875, 13602, 3672, 12199, 2964, 24286, 1012, 1999, 4183, 1006, 1007, 102],
    ),
    ("don't  stop", [101, 2123, 1005, 1056, 2644, 102]),
]


@pytest.fixture(scope="module")
def tokenizer() -> WordPiece:
    return WordPiece.from_file(model_folder() / "vocab.txt")


@pytest.mark.parametrize(("text", "ids"), GOLDEN)
def test_agrees_with_the_original(tokenizer: WordPiece, text: str, ids: list[int]) -> None:
    assert tokenizer.encode(text, 256) == ids


def test_cuts_and_keeps_the_end_mark(tokenizer: WordPiece) -> None:
    ids = tokenizer.encode("word " * 1000, 16)
    assert len(ids) == 16
    assert (ids[0], ids[-1]) == (101, 102)


def test_special_names_are_plain_text(tokenizer: WordPiece) -> None:
    ids = tokenizer.encode("before [SEP] after", 256)
    assert ids.count(102) == 1
