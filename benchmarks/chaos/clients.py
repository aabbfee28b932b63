"""Users of a run: a process that holds conversations on two devices each, until it is told that it is enough.

Run as `python -m benchmarks.chaos.clients OPTIONS`, where OPTIONS is a JSON object (see `Options`). It prints the
number of turns that have ended after each change, and ends in good order when its input is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
import orjson
import uvloop

from benchmarks.chaos import branching, watching
from benchmarks.chaos.journal import Journal, Stream
from benchmarks.chaos.pulse import watch_loop
from benchmarks.chaos.question import Question, nonce
from deskwire_client import (
    Accepted,
    Answer,
    Cancelled,
    Completed,
    Conversation,
    DeskwireClient,
    DeskwireError,
    Event,
    Failed,
    FailedPreconditionError,
    WhileAnswering,
)

_TURNS = (8, 24)
"""Questions of one conversation, from … to."""
_STEPS = {
    "plain": 54, "chat": 8, "twice": 8, "queue": 8, "interrupt": 7, "cancel": 6, "unary": 4, "edit": 2, "regenerate": 3,
}  # fmt: skip
_WATCHED = 0.5
"""Share of conversations that a second device watches from their beginning."""
_PACED = 0.25
_TRIES = 6
"""How often a question is sent again, with its request id, after the client itself has given up."""
_PATIENCE = 90.0
"""Seconds within which an answer must be there, outages included."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a process of clients is told."""

    addresses: tuple[str, ...]
    journal: str
    seed: int
    tokens: tuple[tuple[str, ...], ...]
    """Tokens by tenant and user."""
    first_user: int
    """Number of the first user, so that several processes share no nonce."""
    think: float
    """Seconds between two questions of a user, on average."""


class Users:
    """All users of one process."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.journal = Journal(Path(options.journal))
        self.enough = False
        self.ended = 0

    async def live(self) -> None:
        """Hold conversations until it is enough."""
        users = [
            User(self, tenant, self.options.first_user + number, token)
            for tenant, tokens in enumerate(self.options.tokens)
            for number, token in enumerate(tokens)
        ]
        asyncio.get_running_loop().add_reader(sys.stdin, self._hear)
        lags = asyncio.create_task(watch_loop(lambda lag: self.journal.note("lag", late=lag)))
        try:
            await asyncio.gather(*(user.live() for user in users))
        finally:
            lags.cancel()
            self.journal.close()

    def turn_ended(self) -> None:
        """One more."""
        self.ended += 1
        print(self.ended, flush=True)

    def _hear(self) -> None:
        if not os.read(sys.stdin.fileno(), 64):
            self.enough = True
            asyncio.get_running_loop().remove_reader(sys.stdin)


class User:
    """One user with two devices."""

    def __init__(self, users: Users, tenant: int, number: int, token: str) -> None:
        options = users.options
        self._users = users
        self._journal = users.journal
        self._tenant, self._number = tenant, number
        self._chance = random.Random(f"{options.seed}/{tenant}/{number}")
        addresses = [options.addresses[(number + offset) % len(options.addresses)] for offset in range(2)]
        self._devices = [DeskwireClient(address, token=token) for address in addresses]
        self._token = token
        self._addresses = addresses
        self._conversation = self._place = 0
        self._asked: list[tuple[str, str]] = []
        """Questions of this conversation: id and nonce."""

    async def live(self) -> None:
        """Conversations, one after the other."""
        async with contextlib.AsyncExitStack() as stack:
            for device in self._devices:
                await stack.enter_async_context(device)
            while not self._users.enough:
                await self._talk()

    async def _talk(self) -> None:
        self._conversation, self._place, self._asked = self._conversation + 1, 0, []
        conversation = await self._insist(lambda: self._devices[0].conversation().open())
        async with self._watched(conversation):
            for _ in range(self._chance.randint(*_TURNS)):
                step = self._chance.choices(list(_STEPS), list(_STEPS.values()))[0]
                await getattr(self, f"_{step}")(conversation)
                await asyncio.sleep(self._chance.uniform(0, 2 * self._users.options.think))
                if self._users.enough:
                    break

    @contextlib.asynccontextmanager
    async def _watched(self, conversation: str) -> AsyncIterator[None]:
        """A watcher on the second device, which must see every event to the last one."""
        if self._chance.random() > _WATCHED:
            yield
            return
        last: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if self._chance.random() < 0.5:
            stream = self._journal.stream("watch", conversation, after=0)
            watcher = watching.by_client(self._devices[1], conversation, stream, last)
        else:
            stream = self._journal.stream("raw", conversation, after=0)
            watcher = watching.by_contract(self._addresses[1], self._token, conversation, stream, last)
        task = asyncio.create_task(watcher)
        try:
            yield
            info = await self._insist(lambda: self._devices[0].conversations.get(conversation))
            last.set_result(info.last_sequence)
            await asyncio.wait_for(task, _PATIENCE)
            stream.end("complete")
        except TimeoutError:
            stream.end("never complete")
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _plain(self, conversation: str) -> None:
        await self._ask(conversation, self._question())

    async def _chat(self, conversation: str) -> None:
        """Two questions over one bidirectional stream."""
        questions = [self._question() for _ in range(2)]
        for question in questions:
            self._sent(conversation, question.nonce)
        for _ in range(_TRIES):
            streams = [self._journal.stream("send", conversation, request=question.nonce) for question in questions]

            def told(state: str, streams: list[Stream] = streams) -> None:
                for stream in streams:
                    stream.state(state)

            try:
                async with asyncio.timeout(_PATIENCE), self._devices[0].converse(conversation, state=told) as chat:
                    await chat.ready()
                    answers = [chat.send(question.text, request_id=question.nonce) for question in questions]
                    await asyncio.gather(*map(self._read, answers, streams))
                for stream in streams:
                    stream.end("complete")
                break
            except (DeskwireError, TimeoutError) as error:
                for stream in streams:
                    self._gave_up(stream, error)
        for _ in questions:
            self._users.turn_ended()

    async def _twice(self, conversation: str) -> None:
        """The same request from both devices at once."""
        question = self._question()
        await asyncio.gather(
            *(self._ask(conversation, question, device=device, counts=not device) for device in (0, 1))
        )

    async def _queue(self, conversation: str) -> None:
        """Three questions at once, which are answered in their order."""
        await asyncio.gather(*(self._ask(conversation, self._question()) for _ in range(3)))

    async def _interrupt(self, conversation: str) -> None:
        """A second question that stops the first answer."""
        first = asyncio.create_task(self._ask(conversation, self._question(paced=True)))
        await asyncio.sleep(self._chance.uniform(0.05, 0.8))
        second = self._ask(conversation, self._question(), while_answering=WhileAnswering.INTERRUPT, device=1)
        await asyncio.gather(first, second)

    async def _cancel(self, conversation: str) -> None:
        """A question whose answer the other device stops."""
        asking = asyncio.create_task(self._ask(conversation, self._question(paced=True)))
        await asyncio.sleep(self._chance.uniform(0.05, 0.8))
        await self._insist(lambda: self._devices[1].conversation(conversation).cancel())
        await asking

    async def _edit(self, conversation: str) -> None:
        """A question in place of an earlier one."""
        if not self._asked:
            return
        question, (replaced, _) = self._question(), self._chance.choice(self._asked)
        self._sent(conversation, question.nonce)
        stream = self._journal.stream("bare", conversation, request=question.nonce)
        await self._branch(
            branching.edit(self._addresses[0], self._token, conversation, replaced, question, stream), stream
        )

    async def _regenerate(self, conversation: str) -> None:
        """Another answer to an earlier question."""
        if not self._asked:
            return
        self._place += 1
        question, key = self._chance.choice(self._asked)
        key = f"{key}/{self._place}"
        self._sent(conversation, key)
        stream = self._journal.stream("bare", conversation, request=key)
        await self._branch(
            branching.regenerate(self._addresses[1], self._token, conversation, question, key, stream), stream
        )

    async def _branch(self, asking: Coroutine[Any, Any, None], stream: Stream) -> None:
        try:
            await asyncio.wait_for(asking, _PATIENCE)
            stream.end("complete")
        except (grpc.aio.AioRpcError, TimeoutError) as error:
            self._gave_up(stream, error)
        self._users.turn_ended()

    async def _unary(self, conversation: str) -> None:
        """Calls with one answer: each must succeed by the client's own repeats."""
        marker = f"{self._chance.random()}"
        devices = self._devices
        await self._insist(lambda: devices[0].conversations.update(conversation, metadata={"marker": marker}))
        found = await self._insist(lambda: devices[1].conversations.get(conversation))
        if found.metadata.get("marker") != marker:
            self._journal.note("lost", what=f"a change of {conversation} that was acknowledged")
        await self._insist(lambda: self._all_messages(devices[1].conversation(conversation)))

    async def _all_messages(self, conversation: Conversation) -> None:
        async for _ in conversation.messages():
            pass

    def _question(self, *, paced: bool | None = None) -> Question:
        self._place += 1
        if paced is None:
            paced = self._chance.random() < _PACED
        key = nonce(self._tenant, self._number, self._conversation, self._place)
        return Question(key, self._chance.randint(6, 40), self._chance.randint(10, 40) if paced else 0)

    def _sent(self, conversation: str, request: str) -> None:
        self._journal.note("sent", r=request, c=conversation)

    async def _ask(
        self, conversation: str, question: Question, *, device: int = 0, counts: bool = True,
        while_answering: WhileAnswering | None = None,
    ) -> None:  # fmt: skip
        """Ask and read the answer to its end; the nonce is the request id, so that every repeat joins."""
        self._sent(conversation, question.nonce)
        for _ in range(_TRIES):
            stream = self._journal.stream("send", conversation, request=question.nonce)
            try:
                asked = self._devices[device].conversation(conversation, state=stream.state)
                async with asyncio.timeout(_PATIENCE):
                    await self._read(
                        asked.send(question.text, request_id=question.nonce, while_answering=while_answering), stream
                    )
                stream.end("complete")
                break
            except (DeskwireError, TimeoutError) as error:
                self._gave_up(stream, error)
                if isinstance(error, FailedPreconditionError):
                    break
        if counts:
            self._users.turn_ended()

    async def _read(self, answer: Answer, stream: Stream) -> None:
        event: Event | None = None
        async for event in answer:
            stream.event(event.raw)
            if isinstance(event, Accepted):
                self._asked.append((event.message.id, event.message.request_id))
        if not isinstance(event, Completed | Failed | Cancelled):
            raise TimeoutError("the answer ended without its last event")

    def _gave_up(self, stream: Stream, error: Exception) -> None:
        stream.end(repr(error))

    async def _insist(self, call: Any) -> Any:
        """A unary call that must succeed; what the client does not mend itself counts as a failed call."""
        while True:
            try:
                return await call()
            except DeskwireError as error:
                self._journal.note("failed-call", error=repr(error))
                await asyncio.sleep(0.5)


def main() -> None:
    """Read the options and live."""
    given = orjson.loads(sys.argv[1])
    given["addresses"], given["tokens"] = tuple(given["addresses"]), tuple(map(tuple, given["tokens"]))
    uvloop.run(Users(Options(**given)).live())


if __name__ == "__main__":
    main()
