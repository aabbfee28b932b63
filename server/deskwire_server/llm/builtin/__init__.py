"""The built-in provider: answers by quoting the retrieved passages, with no key, no model and no network."""

from deskwire_server.llm.builtin.provider import BuiltinProvider

__all__ = ["BuiltinProvider"]
