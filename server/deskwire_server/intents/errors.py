"""What can go wrong with intents."""

from __future__ import annotations

from deskwire_server.errors import AlreadyExists, FailedPrecondition


def name_taken() -> AlreadyExists:
    """An intent of this name is there."""
    return AlreadyExists("an intent of this name is there already", metadata={"resource": "intent"})


def insufficient() -> FailedPrecondition:
    """Too little to learn from."""
    return FailedPrecondition(
        "training needs at least two intents with two examples each", reason="INTENTS_INSUFFICIENT"
    )


def not_trained(limit: int) -> FailedPrecondition:
    """Too many examples to learn in a call."""
    return FailedPrecondition(
        f"the tenant's intents have more than {limit:,} examples: train them first",
        reason="INTENTS_NOT_TRAINED",
        metadata={"limit": str(limit)},
    )


def limit_reached(what: str, limit: int) -> FailedPrecondition:
    """No more of them."""
    return FailedPrecondition(
        f"a tenant may have {limit:,} {what} at most", reason="INTENT_LIMIT_REACHED", metadata={"limit": str(limit)}
    )


def training_failed(message: str) -> FailedPrecondition:
    """A training ended without a result."""
    return FailedPrecondition(f"the training failed: {message}", reason="TRAINING_FAILED")
