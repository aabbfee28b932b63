"""What the fake provider answers, so that every reader can check what arrived."""

from __future__ import annotations

TOKENS = 64
FIRST_TOKEN = 0.050
"""Seconds before the first token of a paced answer."""
BETWEEN_TOKENS = 0.005
PACED, UNPACED = "paced", "unpaced"
"""Names of the models: the name decides how an answer is paced."""
WORDS = tuple(f"token{number:02d} " for number in range(TOKENS))
ANSWER = "".join(WORDS)
QUESTION = "How do I reset my password, and how long does the link in the message stay valid?"
