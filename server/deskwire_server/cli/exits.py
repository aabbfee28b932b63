"""Exit codes, and the one sentence that a person gets for an error."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class Exit(IntEnum):
    """What the exit code of every command means."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_AUTHORISED = 4
    NOT_FOUND = 5
    PARTIAL = 6
    INTERRUPTED = 130


EPILOG = (
    "Exit codes: 0 done; 1 failure; 2 wrong usage or settings; 3 server not reachable; 4 not authorised; "
    "5 not found; 6 done in part, some documents failed; 130 interrupted."
)

_BY_CODE = {
    "INVALID_ARGUMENT": Exit.USAGE,
    "OUT_OF_RANGE": Exit.USAGE,
    "UNAVAILABLE": Exit.UNREACHABLE,
    "DEADLINE_EXCEEDED": Exit.UNREACHABLE,
    "UNAUTHENTICATED": Exit.NOT_AUTHORISED,
    "PERMISSION_DENIED": Exit.NOT_AUTHORISED,
    "NOT_FOUND": Exit.NOT_FOUND,
}


@dataclass
class Session:
    """Options that stand before the command."""

    debug: bool = False
    """Show tracebacks."""


class CommandError(Exception):
    """Why a command can't go on, in sentences for a person."""

    def __init__(self, *sentences: str, code: Exit = Exit.FAILURE) -> None:
        super().__init__(" ".join(sentences))
        self.sentences = sentences
        self.code = code


def report(*sentences: str) -> None:
    """Say on stderr what is wrong, a line for each sentence."""
    for sentence in sentences:
        print(f"deskwire: {sentence}", file=sys.stderr)


def explain(error: Exception) -> CommandError:
    """The sentence and exit code of any error that a command let through."""
    if isinstance(error, CommandError):
        return error
    for explanation in (_of_settings, _of_client, _of_server, _of_database):
        found = explanation(error)
        if found is not None:
            return found
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        return CommandError(f"{name}{error.strerror or error}")
    return CommandError(f"unexpected {type(error).__name__}: {_one_line(error)}; `deskwire --debug …` shows where")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:500]


def _of_settings(error: Exception) -> CommandError | None:
    if type(error).__module__.partition(".")[0] not in ("pydantic_core", "pydantic_settings"):
        return None
    from pydantic import ValidationError

    if isinstance(error, ValidationError):
        return CommandError(*settings_sentences(error), code=Exit.USAGE)
    return CommandError(f"the settings can't be read: {_one_line(error)}", code=Exit.USAGE)


def settings_sentences(error: ValidationError) -> list[str]:
    """What is wrong with the environment, a sentence for each setting. Values stay out: they may be secret."""
    sentences = []
    for entry in error.errors(include_url=False, include_input=False, include_context=False):
        name = ".".join(str(part) for part in entry["loc"])
        text = entry["msg"].removeprefix("Value error, ")
        sentences.append(f"setting {name}: {text[:1].lower()}{text[1:]}" if name else text)
    return sentences


def _of_client(error: Exception) -> CommandError | None:
    # Only a command that used the client has its errors loaded.
    errors = sys.modules.get("deskwire_client.errors")
    if errors is None or not isinstance(error, errors.DeskwireError):
        return None
    if isinstance(error, errors.AnswerFailedError | errors.AnswerCancelledError):
        return CommandError(error.message)
    code = _BY_CODE.get(error.code, Exit.FAILURE)
    if code is Exit.UNREACHABLE and error.reason in ("PROVIDER_UNAVAILABLE", "RESPONSE_TIMEOUT"):
        code = Exit.FAILURE
    return CommandError(*_client_sentences(error, code), code=code)


def _client_sentences(error: Exception, code: Exit) -> list[str]:
    message, reason = getattr(error, "message", ""), getattr(error, "reason", "")
    if code is Exit.UNREACHABLE and not reason:
        return ["the server can't be reached; start it with `deskwire run`, or name another with --server"]
    violations = getattr(error, "violations", ())
    if violations:
        return [f"{violation.field}: {violation.description}" for violation in violations]
    after = getattr(error, "retry_after", None)
    hint = f"; try again in {after:.0f} s" if after and after >= 1 else ""
    request_id = getattr(error, "request_id", "")
    logged = f" (request {request_id})" if request_id and getattr(error, "code", "") == "INTERNAL" else ""
    return [f"{message}{hint}{logged}"]


def _of_server(error: Exception) -> CommandError | None:
    from deskwire_server.errors import DomainError

    if isinstance(error, DomainError):
        return CommandError(error.message, code=_BY_CODE.get(error.code, Exit.FAILURE))
    stack = sys.modules.get("deskwire_server.stack.errors")
    if stack is not None and isinstance(error, stack.StackError):
        return CommandError(str(error))
    return None


def _of_database(error: Exception) -> CommandError | None:
    if type(error).__module__.startswith("asyncpg"):
        return CommandError(f"the database refuses: {_one_line(error)}")
    if type(error).__module__.startswith("sqlalchemy"):
        return CommandError(f"the database refuses: {_one_line(error).partition('[SQL')[0].strip()}")
    return None
