"""Reads files, and unpacks gzip and zstd as a stream of blocks."""

import io
import zlib
from collections.abc import Callable
from typing import Any

import pyarrow

from sluice.description import Blocks, File
from sluice.store import BLOCK, Store

# How many packed bytes a member gets at first, and at most. zlib copies the bytes that it has not used, so a large
# block of small members would be copied once for each of them.
FIRST_WINDOW = 256
LAST_WINDOW = 2**16


class BrokenArchive(Exception):
    """The archive is truncated or corrupt."""


def contents(store: Store, file: File) -> Blocks:
    """The bytes of a file in blocks, unpacked if it is an archive."""
    blocks = store.blocks(file)
    if file["compression"] is None:
        return blocks
    unpack: dict[str, Callable[[Blocks], Blocks]] = {"gzip": gunzip, "zstd": unzstd}
    return unpack[file["compression"]](blocks)


def gunzip(blocks: Blocks) -> Blocks:
    """Unpacks one or more members (RFC 1952, 2.2). Zero bytes may follow as padding."""
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
    """Joins small blocks to blocks of a usual size, because the reader has a cost for each block."""
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
    """Blocks as a file object. An error in reading them is not a fault of the archive."""

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
    """Unpacks a file of lines once before its lines are read, because a faulty file is refused as a whole."""
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
