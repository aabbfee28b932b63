"""What a message mentions, with its place and its normalised value."""

from deskwire_server.understanding.entities.find import EntityFinder, find_entities
from deskwire_server.understanding.entities.model import Entity

__all__ = ["Entity", "EntityFinder", "find_entities"]
