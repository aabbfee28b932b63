"""Imports a folder of documents in bounded batches."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from deskwire.v1 import knowledge_pb2
from deskwire.v1.knowledge_pb2_grpc import KnowledgeServiceStub

from deskwire_client import _convert, errors
from deskwire_client._calls import Caller, new_request_id
from deskwire_client.models import ImportOutcome, ImportResult, ImportSummary

SUFFIXES = frozenset({".md", ".mdx", ".markdown", ".html", ".htm", ".txt", ".pdf", ".docx"})
"""Kinds of files that an import takes."""
MAX_DOCUMENT_BYTES = 3 * 1024 * 1024
"""Longest document."""

_BATCH_DOCUMENTS = 16
_BATCH_BYTES = 6 * 1024 * 1024
_BATCH_TIMEOUT = 600.0
"""Seconds for one batch; a large one waits for the embedder."""
_LONGEST_QUOTA_WAIT = 120.0
_MAX_PATH = 1_024
_CONTROL = re.compile(r"[\x00-\x1f]")


@dataclass(frozen=True)
class ImportProgress:
    """How far an import has come."""

    done: int
    """Documents that have a result."""
    total: int
    """Documents in all."""
    latest: tuple[ImportResult, ...]
    """Results since the last report."""


ProgressCallback = Callable[[ImportProgress], None]
"""Told after each batch, on the event loop. Must not block."""


def find_documents(path: Path) -> list[tuple[str, Path]]:
    """Documents below a folder as (path relative to it with `/`, file), sorted; a file stands for itself.

    Hidden files and folders are skipped, and so are links to folders and links that lead out of the folder: what is
    imported can be read by the whole tenant. Raises FileNotFoundError.
    """
    if path.is_file():
        return [(path.name, path)]
    if not path.is_dir():
        raise FileNotFoundError(f"there is no folder {path}")
    return sorted(_walk(path))


def _walk(root: Path) -> Iterator[tuple[str, Path]]:
    inside = root.resolve()
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            file = Path(folder, name)
            if name.startswith(".") or file.suffix.lower() not in SUFFIXES or not file.is_file():
                continue
            if not file.is_symlink() or file.resolve().is_relative_to(inside):
                yield PurePosixPath(file.relative_to(root)).as_posix(), file


@dataclass(frozen=True)
class _Document:
    source_path: str
    file: Path
    size: int


class FolderImport:
    """One import. A document that can't be sent, or is refused, becomes a failed result and never stops the rest."""

    def __init__(
        self,
        caller: Caller,
        documents: Sequence[tuple[str, Path]],
        *,
        category: str,
        tags: Sequence[str],
        progress: ProgressCallback | None,
    ) -> None:
        self._caller = caller
        self._stub = KnowledgeServiceStub(caller.channel)
        self._documents = documents
        self._category = category
        self._tags = tuple(tags)
        self._progress = progress
        self._results: list[ImportResult] = []
        self._pending = 0

    async def run(self) -> ImportSummary:
        """Send everything. Raises DeskwireError when the import as a whole is refused or the server stays away."""
        for batch in self._batches():
            self._report(await self._send(batch))
        return ImportSummary(tuple(self._results), self._pending)

    def _batches(self) -> Iterator[list[_Document]]:
        batch: list[_Document] = []
        size = 0
        for source_path, file in self._documents:
            try:
                document = _Document(source_path, file, file.stat().st_size)
            except OSError as error:
                self._report([_unreadable(source_path, error)])
                continue
            refusal = _refusal(document)
            if refusal:
                self._report([refusal])
                continue
            if batch and (len(batch) >= _BATCH_DOCUMENTS or size + document.size > _BATCH_BYTES):
                yield batch
                batch, size = [], 0
            batch.append(document)
            size += document.size
        if batch:
            yield batch

    def _report(self, results: Sequence[ImportResult]) -> None:
        self._results.extend(results)
        if self._progress is not None and results:
            self._progress(ImportProgress(len(self._results), len(self._documents), tuple(results)))

    async def _send(self, batch: Sequence[_Document]) -> list[ImportResult]:
        requests: list[knowledge_pb2.ImportArticlesRequest] = []
        failed: list[ImportResult] = []
        for document in batch:
            try:
                content = await asyncio.to_thread(document.file.read_bytes)
            except OSError as error:
                failed.append(_unreadable(document.source_path, error))
                continue
            requests.append(
                knowledge_pb2.ImportArticlesRequest(
                    source_path=document.source_path, content=content, category=self._category, tags=self._tags
                )
            )
        return failed + (await self._isolating(requests) if requests else [])

    async def _isolating(self, requests: Sequence[knowledge_pb2.ImportArticlesRequest]) -> list[ImportResult]:
        """Import a batch; where the call is refused because of one document, import each by itself."""
        try:
            return await self._call(requests)
        except (errors.InvalidArgumentError, errors.ResourceExhaustedError) as error:
            if isinstance(error, errors.ResourceExhaustedError) and error.reason:
                raise
            if len(requests) > 1:
                results = []
                for request in requests:
                    results.extend(await self._isolating([request]))
                return results
            return [_failed(requests[0].source_path, error.reason or "INVALID_FIELD", error.message)]

    async def _call(self, requests: Sequence[knowledge_pb2.ImportArticlesRequest]) -> list[ImportResult]:
        requests[0].request_id = new_request_id()

        async def once(remaining: float) -> knowledge_pb2.ImportArticlesResponse:
            metadata = await self._caller.metadata()
            return await self._stub.ImportArticles(_each(requests), metadata=metadata, timeout=remaining)

        waited = 0.0
        while True:
            try:
                answer = await self._caller.repeated(once, time.monotonic() + _BATCH_TIMEOUT)
                break
            except errors.ResourceExhaustedError as error:
                if error.retry_after is None or waited + error.retry_after > _LONGEST_QUOTA_WAIT:
                    raise
                waited += error.retry_after
                await asyncio.sleep(error.retry_after)
        self._pending += answer.pending_embeddings
        return [_named(_convert.import_result(result)) for result in answer.results]


async def _each(
    requests: Sequence[knowledge_pb2.ImportArticlesRequest],
) -> AsyncIterator[knowledge_pb2.ImportArticlesRequest]:
    for request in requests:
        yield request


def _named(result: ImportResult) -> ImportResult:
    """A result whose failure is always in words."""
    if result.outcome is ImportOutcome.FAILED and not result.message:
        return replace(result, message=result.reason.replace("_", " ").lower() or "refused")
    return result


def _failed(source_path: str, reason: str, message: str) -> ImportResult:
    return ImportResult(source_path, ImportOutcome.FAILED, reason=reason, message=message)


def _unreadable(source_path: str, error: OSError) -> ImportResult:
    return _failed(source_path, "DOCUMENT_UNREADABLE", f"can't be read: {error.strerror or error}")


def _refusal(document: _Document) -> ImportResult | None:
    """Why a document can't be sent at all; None when it can."""
    path = document.source_path
    if document.size > MAX_DOCUMENT_BYTES:
        return _failed(path, "DOCUMENT_TOO_LARGE", f"has {document.size:,} bytes; {MAX_DOCUMENT_BYTES:,} are allowed")
    try:
        path.encode()
    except UnicodeEncodeError:
        printable = path.encode(errors="surrogateescape").decode(errors="replace")
        return _failed(printable, "INVALID_FIELD", "its path is not valid UTF-8")
    if len(path) > _MAX_PATH or _CONTROL.search(path):
        return _failed(
            path, "INVALID_FIELD", f"its path is longer than {_MAX_PATH} characters or has control characters"
        )
    return None
