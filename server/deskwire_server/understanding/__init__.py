"""Understanding of a message: its intent, its language, what it mentions, and what to offer next."""

from deskwire_server.understanding.actions import SuggestedAction
from deskwire_server.understanding.service import Understanding, Understood

__all__ = ["SuggestedAction", "Understanding", "Understood"]
