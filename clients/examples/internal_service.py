"""An internal service that answers mails: each mail is one question of one user, and none is answered twice.

It calls with a token of the role `service` and acts for the user who wrote. The mail's own id is the request id: when
this program is killed and the mail comes again, it joins the turn that ran instead of asking a second time.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass

from deskwire_client import (
    AnswerFailedError,
    DeskwireClient,
    DeskwireError,
    InvalidArgumentError,
    Message,
    ResourceExhaustedError,
)


@dataclass(frozen=True)
class Mail:
    id: str
    thread: str
    user: str
    text: str


MAILS = (
    Mail("mail-1", "thread-1", "ana", "How do I reset my password?"),
    Mail("mail-2", "thread-2", "ben", "How do I invite a colleague?"),
    Mail("mail-1", "thread-1", "ana", "How do I reset my password?"),  # delivered twice
)


async def answer(client: DeskwireClient, mail: Mail) -> Message | None:
    conversation = client.acting_for(mail.user).conversation(
        session=mail.thread, context={"attributes": {"source": "mail"}}
    )
    try:
        async with asyncio.timeout(60):
            return await conversation.ask(mail.text, request_id=mail.id)
    except InvalidArgumentError as error:
        print(f"{mail.id}: {'; '.join(f'{v.field} {v.description}' for v in error.violations)}", file=sys.stderr)
    except ResourceExhaustedError as error:
        print(f"{mail.id}: come back in {error.retry_after} s", file=sys.stderr)
    except AnswerFailedError as error:
        print(f"{mail.id}: no answer ({error.reason}); a person has to look", file=sys.stderr)
    except (DeskwireError, TimeoutError) as error:
        print(f"{mail.id}: {error!r}; it stays in the queue", file=sys.stderr)
    return None


async def main() -> int:
    server = os.environ.get("DESKWIRE_SERVER", "127.0.0.1:50051")
    token = os.environ["DESKWIRE_TOKEN"]
    async with DeskwireClient(server, token=token) as client:
        answers = [await answer(client, mail) for mail in MAILS]
    for mail, message in zip(MAILS, answers, strict=True):
        if message is not None:
            print(f"{mail.id} for {mail.user}: answer {message.id}, {len(message.citations)} sources")
    return 0 if all(answers) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
