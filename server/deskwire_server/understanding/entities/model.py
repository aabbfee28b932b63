"""One thing that a message mentions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entity:
    """A stretch of a message with what it stands for."""

    type: str
    """`email`, `phone`, `amount`, `date`, `url`, `order_number`, `error_code`, `percentage`, `person`, `company`, or a
    type of the gazetteer such as `product` and `integration`."""
    text: str
    """As written."""
    start: int
    end: int
    """Code points of the message; `end` is behind the last one."""
    value: str
    """Normalised: a lower-case address, E.164, `99.00 USD`, an ISO 8601 date or interval, a name as its owner
    writes it."""
