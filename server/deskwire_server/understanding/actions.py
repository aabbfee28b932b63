"""What may be offered to a user next: a place to go or a thing to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class SuggestedAction:
    """A button under an answer."""

    id: str
    """Stable name, such as `view_billing`."""
    label: str
    type: Literal["link", "escalate"]
    """`link` opens a page of the portal; `escalate` hands the conversation to a person."""
    action: str
    """The path to open, or `escalate`."""
    variant: Literal["primary", "outline"] = "outline"
    """How prominent the button is."""
