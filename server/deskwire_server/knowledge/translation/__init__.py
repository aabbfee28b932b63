"""Puts questions in other languages into English words, without a network."""

from deskwire_server.knowledge.translation.translator import in_english

__all__ = ["in_english"]
