"""Files as they are, or unpacked as a stream: gzip and zstd, a block at a time."""

import io
import zlib
from collections.abc import Callable
from typing import Any

import pyarrow

from sluice.description import Blocks, File
from sluice.store import BLOCK, Store

# How many packed bytes are given to a member at first, and at most. zlib copies what it has not used: a block of many
# small members would be copied for each of them.
FIRST_WINDOW = 256
LAST_WINDOW = 2**16


class BrokenArchive(Exception):
    """The archive is cut, or holds something else than it says."""


def contents(store: Store, file: File) -> Blocks:
    """The bytes of a file as they are, or unpacked, in blocks."""
    blocks = store.blocks(file)
    if file["compression"] is None:
        return blocks
    unpack: dict[str, Callable[[Blocks], Blocks]] = {"gzip": gunzip, "zstd": unzstd}
    return unpack[file["compression"]](blocks)


def gunzip(blocks: Blocks) -> Blocks:
    """One member or many (RFC 1952, 2.2); zero bytes may follow, as padding."""
    return gathered(unpacked_members(blocks))


def unpacked_members(blocks: Blocks) -> Blocks:
    member = zlib.decompressobj(wbits=31)
    window = FIRST_WINDOW
    try:
        for block in blocks:
            position = 0
            while position < len(block):
                if member.eof:
                    if block[position] == 0:
                        return
                    member = zlib.decompressobj(wbits=31)
                    window = FIRST_WINDOW
                packed = block[position : position + window]
                unpacked = member.decompress(packed, BLOCK)
                position += len(packed) - len(member.unused_data if member.eof else member.unconsumed_tail)
                window = min(2 * window, LAST_WINDOW)
                if unpacked:
                    yield unpacked
    except zlib.error as error:
        raise BrokenArchive from error
    while not member.eof:
        unpacked = member.decompress(b"", BLOCK)
        if not unpacked:
            raise BrokenArchive
        yield unpacked


def gathered(parts: Blocks) -> Blocks:
    """Blocks of a usual size: members of a few bytes each would cost whoever reads them more than they hold."""
    held: list[bytes] = []
    size = 0
    for part in parts:
        held.append(part)
        size += len(part)
        if size >= BLOCK:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


class Packed(io.RawIOBase):
    """Blocks as a file. What fails in them is not the archive's fault."""

    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks
        self.rest = b""
        self.failure: Exception | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        try:
            self.rest = self.rest or next(self.blocks, b"")
        except Exception as error:
            self.failure = error
            raise
        size = min(len(target), len(self.rest))
        target[:size] = self.rest[:size]
        self.rest = self.rest[size:]
        return size


def unzstd(blocks: Blocks) -> Blocks:
    packed = Packed(blocks)
    stream = pyarrow.CompressedInputStream(pyarrow.PythonFile(packed, mode="r"), "zstd")
    while True:
        try:
            unpacked = stream.read(BLOCK)
        except (OSError, pyarrow.ArrowException) as error:
            raise packed.failure or BrokenArchive() from error
        if not unpacked:
            return
        yield unpacked


def archive_fault(store: Store, file: File, limit: int) -> str | None:
    """Unpacks a file of lines once before its lines are read: one that is broken or too large is refused whole."""
    if file["compression"] is None:
        return None
    size = 0
    try:
        for block in contents(store, file):
            size += len(block)
            if size > limit:
                return "archive_too_large"
    except BrokenArchive:
        return "broken_archive"
    return None
