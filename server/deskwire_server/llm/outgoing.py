"""What every answer passes on its way to the client: invented citations and links are taken out of the stream."""

from __future__ import annotations

from collections.abc import Sequence

from deskwire_server.llm.links import LinkFilter
from deskwire_server.llm.port import Passage
from deskwire_server.llm.prompt import CitationFilter


class AnswerFilter:
    """Lets a streamed answer through with the citations of its passages, and links that its sources hold.

    The pieces returned, joined, are the same wherever the answer was cut.
    """

    def __init__(self, passages: Sequence[Passage], said: Sequence[str] = ()) -> None:
        """`said`: what the user wrote; addresses of theirs may be linked as well."""
        texts = [text for each in passages for text in (each.title, *each.heading_path, each.url, each.text)]
        texts.extend(said)
        self._citations = CitationFilter({passage.number for passage in passages})
        self._links = LinkFilter(texts)

    @property
    def used(self) -> tuple[int, ...]:
        """Numbers of passages that the text let through so far cites, by first appearance."""
        return self._citations.used

    @property
    def removed_citations(self) -> int:
        """How many invented numbers were taken out."""
        return self._citations.removed

    @property
    def removed_links(self) -> int:
        """How many links, images and addresses were taken out."""
        return self._links.removed

    def feed(self, text: str) -> str:
        """Next piece of the answer; returns what of it, and of what was held back, is clear."""
        # Citations first: one that goes may leave a link behind.
        return self._links.feed(self._citations.feed(text))

    def finish(self) -> str:
        """What is still held back, once the answer has ended."""
        return self._links.feed(self._citations.finish()) + self._links.finish()
