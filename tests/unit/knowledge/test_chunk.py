"""Passages follow headings, hold every word once, and lie where they say."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from deskwire_server.knowledge.chunk import TARGET_WORDS, chunk
from deskwire_server.knowledge.parse.markdown import clean_markdown
from deskwire_server.knowledge.sentences import sentences

_WORDS = st.text(alphabet="abcdefgh äß.,:;!?`*_[]()<>#|-", min_size=1, max_size=60)
_BLOCKS = st.one_of(
    _WORDS,
    st.builds(lambda depth, text: f"{'#' * depth} {text}", st.integers(1, 6), _WORDS),
    st.builds(lambda items: "\n".join(f"- {item}" for item in items), st.lists(_WORDS, min_size=1, max_size=6)),
    st.builds(lambda lines: "```\n" + "\n".join(lines) + "\n```", st.lists(_WORDS, min_size=1, max_size=6)),
    st.builds(
        lambda rows: "| a | b |\n|---|---|\n" + "\n".join(f"| {row} | x |" for row in rows),
        st.lists(st.text(alphabet="abc ", min_size=1, max_size=20), min_size=1, max_size=5),
    ),
    st.builds(lambda count: "word " * count, st.integers(1, 700)),
)
_ARTICLES = st.lists(_BLOCKS, min_size=1, max_size=12).map("\n\n".join)


@settings(max_examples=150, deadline=None)
@given(_ARTICLES)
def test_passages_lie_in_the_article_and_hold_it_all(text: str) -> None:
    content, _ = clean_markdown(text)
    pieces = chunk(content)
    last = 0
    for piece in pieces:
        assert last <= piece.start < piece.end <= len(content)
        assert content[piece.start : piece.end] == piece.text
        assert piece.text == piece.text.strip("\n")
        between = content[last : piece.start]
        assert not any(char.isalnum() for char in between)
        last = piece.end
    assert not any(char.isalnum() for char in content[last:])


@settings(max_examples=100, deadline=None)
@given(_ARTICLES)
def test_sentences_lie_in_their_passage(text: str) -> None:
    for piece in chunk(clean_markdown(text)[0]):
        last = 0
        for sentence in sentences(piece.text):
            assert last <= sentence.start < sentence.end <= len(piece.text)
            last = sentence.end


def _words(count: int, word: str = "word") -> str:
    return " ".join([word] * count)


def test_headings_are_kept_as_a_path() -> None:
    content = f"# A\n\n{_words(100)}\n\n## B `c`\n\n{_words(100)}\n\n### D\n\n{_words(100)}\n\n## E\n\n{_words(100)}"
    assert [piece.heading_path for piece in chunk(content)] == [("A",), ("A", "B c"), ("A", "B c", "D"), ("A", "E")]


def test_small_sections_join_their_siblings() -> None:
    content = "\n\n".join(f"## Question {index}\n\n{_words(20)}" for index in range(4))
    pieces = chunk(content)
    assert len(pieces) == 1
    assert all(f"Question {index}" in pieces[0].text for index in range(4))


def test_long_sections_are_cut_evenly() -> None:
    content = "## Long\n\n" + "\n\n".join(_words(50) for _ in range(10))
    pieces = chunk(content)
    assert 3 <= len(pieces) <= 4
    assert all(piece.heading_path == ("Long",) for piece in pieces)
    assert max(len(piece.text.split()) for piece in pieces) <= 1.5 * TARGET_WORDS


def test_code_and_rows_stay_whole() -> None:
    code = "```\n" + "\n".join(f"line {index}" for index in range(60)) + "\n```"
    table = "| a | b |\n|---|---|\n" + "\n".join(f"| cell {index} one | two |" for index in range(30))
    pieces = chunk(f"{_words(140)}\n\n{code}\n\n{_words(140)}\n\n{table}")
    assert any(code in piece.text for piece in pieces)
    assert any(table in piece.text for piece in pieces)


def test_huge_table_is_cut_between_rows() -> None:
    rows = [f"| cell {index} with some words | two |" for index in range(200)]
    pieces = chunk("| a | b |\n|---|---|\n" + "\n".join(rows))
    assert len(pieces) > 3
    lines = [line for piece in pieces for line in piece.text.split("\n")]
    assert lines[2:] == rows


def test_huge_paragraph_is_cut_between_sentences() -> None:
    pieces = chunk(" ".join(f"This is sentence number {index} of them." for index in range(120)))
    assert len(pieces) > 2
    assert all(piece.text.endswith("of them.") for piece in pieces)


def test_nothing_gives_nothing() -> None:
    assert chunk("") == ()
    assert chunk("---\n\n***\n") == ()
