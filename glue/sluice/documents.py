"""Files that are parsed whole, and those that are refused whole."""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator

import duckdb
import pyarrow

from sluice.archives import BrokenArchive, contents
from sluice.description import File, Limits
from sluice.lines import PORTION
from sluice.store import Store
from sluice.xml_records import ConversionFailed

# A document of this size is parsed alone, because parsing takes about ten times its size in memory.
LARGE_DOCUMENT = 16 * 2**20


class Documents:
    """Collects whole files until a query is worth its cost."""

    def __init__(self, db: duckdb.DuckDBPyConnection, documents: str, limits: Limits) -> None:
        self.db = db
        self.documents = documents
        self.limits = limits
        self.files: list[int] = []
        self.raws: list[bytes] = []
        self.bytes = 0
        self.refused: list[tuple[int, int, bytes, str]] = []
        self.done: list[pyarrow.Table] = []

    def refuse(self, file: File, head: bytes, fault: str) -> None:
        """A whole file counts as line 1, even if lines are skipped."""
        skipped = 0 if file["body"] is None else file["body"]["skipLines"]
        self.refused.append((file["file"], 1 - skipped, head, fault))

    def read(self, store: Store, file: File) -> None:
        number = file["file"]
        limit = self.limits["json" if file["header"] is None else "csv"]
        chunks: list[bytes] = []
        size = 0
        try:
            for block in contents(store, file):
                chunks.append(block)
                size += len(block)
                if size > limit:
                    self.refuse(file, store.head(file, self.limits["sample"]), "document_too_large")
                    return
        except BrokenArchive:
            self.refuse(file, store.head(file, self.limits["sample"]), "broken_archive")
            return
        except ConversionFailed as failed:
            self.refuse(file, store.head(file, self.limits["sample"]), failed.fault)
            return
        text = as_utf8(b"".join(chunks), file)
        if text is None:
            self.refuse(file, store.head(file, self.limits["sample"]), "not_text")
            return
        raw = text[0 if file["body"] is None else file["body"]["skipBytes"] :]
        if size < LARGE_DOCUMENT:
            self.files.append(number)
            self.raws.append(raw)
            self.bytes += size
            return
        try:
            with alone_on_this_machine():
                self.done.append(self.records([number], [raw]))
        except duckdb.OutOfMemoryException:
            self.refuse(file, raw[: self.limits["sample"]], "document_too_large")

    def records(self, files: list[int], raws: list[bytes]) -> pyarrow.Table:
        documents = pyarrow.table(
            {"file": pyarrow.array(files, pyarrow.int32()), "raw": pyarrow.array(raws, pyarrow.binary())}
        )
        self.db.register("documents", documents)
        records = self.db.execute(self.documents).to_arrow_table()
        self.db.unregister("documents")
        return records

    def take(self, least: int) -> Iterator[pyarrow.Table]:
        """Portions of the collected records, if they have reached the size."""
        if self.raws and self.bytes >= least:
            self.done.append(self.records(self.files, self.raws))
            self.files, self.raws, self.bytes = [], [], 0
        while self.done:
            records = self.done.pop(0)
            size = max(1, records.num_rows * PORTION // max(records.nbytes, 1))
            for start in range(0, records.num_rows, size):
                yield records.slice(start, size)
        if self.refused and least == 1:
            numbers, lines, heads, faults = zip(*self.refused, strict=True)
            self.refused = []
            yield pyarrow.table(
                {
                    "file": pyarrow.array(numbers, pyarrow.int32()),
                    "line": pyarrow.array(lines, pyarrow.int64()),
                    "raw": pyarrow.array(heads, pyarrow.binary()),
                    "fault": pyarrow.array(faults, pyarrow.string()),
                }
            )


def as_utf8(raw: bytes, file: File) -> bytes | None:
    """A file's bytes as UTF-8, without a byte order mark of another encoding; None if they are not text in it."""
    encoding = None if file["body"] is None else file["body"]["encoding"]
    if encoding is None:
        return raw
    table = encoding.get("table")
    if table is not None:
        return raw.decode("latin-1").translate(dict(enumerate(table))).encode()
    try:
        return raw.decode(encoding["name"]).removeprefix("\ufeff").encode()
    except UnicodeDecodeError:
        return None


@contextlib.contextmanager
def alone_on_this_machine() -> Iterator[None]:
    with open(os.path.join(tempfile.gettempdir(), "sluice-large-document"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
