"""Reads files, and unpacks them as a stream of blocks."""

import bz2
import io
import zlib
from collections.abc import Callable
from typing import Any

import pyarrow

from sluice.avro import Damaged, avro_lines
from sluice.description import Blocks, File, Member
from sluice.store import BLOCK, Store
from sluice.xlsx import sheet_lines
from sluice.xml_records import ConversionFailed, xml_lines

# How many packed bytes a member gets at first, and at most. zlib copies the bytes that it has not used, so a large
# block of small members would be copied once for each of them.
FIRST_WINDOW = 256
LAST_WINDOW = 2**16
# The largest block of snappy; the same in src/lib/engine/snappy.ts.
MOST_OF_BLOCK = 4 * 2**20


class BrokenArchive(Exception):
    """The archive is truncated or corrupt."""


def is_plain(file: File) -> bool:
    """Whether the bytes of the file are those of its records."""
    return file["compression"] is None and file.get("conversion") is None


def contents(store: Store, file: File) -> Blocks:
    """The bytes of a file in blocks, unpacked if it is an archive, and converted if it is XML or Excel."""
    conversion = file.get("conversion")
    if conversion is None:
        return unpacked(store, file)
    if conversion["kind"] == "xml":
        return xml_lines(unpacked(store, file), conversion)
    return sheet_lines(lambda member: unpacked_member(store.blocks({**file, "member": member}), member), conversion)


def unpacked_member(blocks: Blocks, member: Member) -> Blocks:
    return checked(inflate(blocks) if member["isDeflated"] and member["size"] > 0 else blocks, member)


def unpacked(store: Store, file: File) -> Blocks:
    blocks = store.blocks(file)
    if file["compression"] is None:
        return blocks
    member = file.get("member")
    if member is not None:
        return unpacked_member(blocks, member)
    unpack: dict[str, Callable[[Blocks], Blocks]] = {
        "gzip": gunzip,
        "zstd": unzstd,
        "bzip2": bunzip2,
        "snappy": unsnappy,
        "avro": unavro,
    }
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


def inflate(blocks: Blocks) -> Blocks:
    """Unpacks a stream without header and checksum (RFC 1951), as members of zip archives are."""
    stream = zlib.decompressobj(wbits=-15)
    try:
        for block in blocks:
            for start in range(0, len(block), LAST_WINDOW):
                packed = block[start : start + LAST_WINDOW]
                while packed and not stream.eof:
                    unpacked = stream.decompress(packed, BLOCK)
                    packed = stream.unconsumed_tail
                    if unpacked:
                        yield unpacked
        while not stream.eof:
            unpacked = stream.decompress(b"", BLOCK)
            if not unpacked:
                raise BrokenArchive
            yield unpacked
    except zlib.error as error:
        raise BrokenArchive from error


def checked(blocks: Blocks, member: Member) -> Blocks:
    """The same blocks, if they are those that the archive's directory describes."""
    size = checksum = 0
    for block in blocks:
        size += len(block)
        if size > member["unpacked"]:
            raise BrokenArchive
        checksum = zlib.crc32(block, checksum)
        yield block
    if size != member["unpacked"] or checksum != member["crc"]:
        raise BrokenArchive


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


def bunzip2(blocks: Blocks) -> Blocks:
    """One stream or many, as parallel packers write; nothing else may follow."""
    return gathered(unpacked_streams(blocks))


def unpacked_streams(blocks: Blocks) -> Blocks:
    stream = bz2.BZ2Decompressor()
    window = FIRST_WINDOW
    is_empty = True
    for block in blocks:
        is_empty = is_empty and not block
        position = 0
        while position < len(block):
            if stream.eof:
                stream = bz2.BZ2Decompressor()
                window = FIRST_WINDOW
            packed = block[position : position + window]
            yield unpacked_of_stream(stream, packed)
            while not stream.eof and not stream.needs_input:
                yield unpacked_of_stream(stream, b"")
            position += len(packed) - len(stream.unused_data)
            window = min(2 * window, LAST_WINDOW)
    if not is_empty and not stream.eof:
        raise BrokenArchive


def unpacked_of_stream(stream: bz2.BZ2Decompressor, packed: bytes) -> bytes:
    try:
        return stream.decompress(packed, BLOCK)
    except OSError as error:
        raise BrokenArchive from error


def unsnappy(blocks: Blocks) -> Blocks:
    """Blocks as Hadoop frames them: the size of what each holds, then its chunks, each behind its packed size."""
    return gathered(unpacked_chunks(Exact(blocks)))


def unpacked_chunks(packed: "Exact") -> Blocks:
    codec = pyarrow.Codec("snappy")
    while start := packed.read(4):
        left = size_at(start)
        if left > MOST_OF_BLOCK:
            raise BrokenArchive
        while left > 0:
            length = size_at(packed.read(4))
            if length > 32 + left + left // 6:
                raise BrokenArchive
            chunk = packed.read(length)
            size = size_of_chunk(chunk)
            if len(chunk) < length or not 0 < size <= left:
                raise BrokenArchive
            try:
                yield codec.decompress(chunk, decompressed_size=size, asbytes=True)
            except (OSError, pyarrow.ArrowException) as error:
                raise BrokenArchive from error
            left -= size


def size_at(packed: bytes) -> int:
    if len(packed) < 4:
        raise BrokenArchive
    return int.from_bytes(packed, "big")


def size_of_chunk(chunk: bytes) -> int:
    """Seven bits a byte, the lowest first; 0 where a chunk does not say it."""
    size = 0
    for place, byte in enumerate(chunk[:5]):
        size |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return size
    return 0


class Exact:
    """Blocks, read by lengths."""

    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks
        self.block = b""
        self.position = 0

    def read(self, size: int) -> bytes:
        """The next bytes; fewer only where the blocks end."""
        parts: list[bytes] = []
        while size > 0:
            if self.position == len(self.block):
                self.block = next(self.blocks, b"")
                self.position = 0
                if not self.block:
                    break
            part = self.block[self.position : self.position + size]
            self.position += len(part)
            size -= len(part)
            parts.append(part)
        return b"".join(parts)


def unavro(blocks: Blocks) -> Blocks:
    """Records of Avro as lines of JSON."""
    try:
        yield from avro_lines(blocks)
    except Damaged as error:
        raise BrokenArchive from error


def archive_fault(store: Store, file: File, limit: int) -> str | None:
    """Unpacks a file of lines once before its lines are read, because a faulty file is refused as a whole."""
    if is_plain(file):
        return None
    size = 0
    try:
        for block in contents(store, file):
            size += len(block)
            if size > limit:
                return "archive_too_large"
    except BrokenArchive:
        return "broken_archive"
    except ConversionFailed as failed:
        return failed.fault
    return None
