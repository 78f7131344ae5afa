"""Reads Avro object container files as lines of JSON, with the same bytes as src/lib/engine/avro.ts writes."""

import base64
import bz2
import datetime
import json
import math
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pyarrow

from sluice.description import Blocks

# The same limits are in src/lib/engine/avro.ts.
MOST_OF_BLOCK = 64 * 2**20
MOST_OF_HEADER = 16 * 2**20
MOST_OF_RECORD = 16 * 2**20
DEEPEST = 200
PORTION = 2**20


class Damaged(Exception):
    """The file is truncated or damaged."""


class Cursor:
    """Bytes with a position."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at
        # The characters that the record may still have.
        self.left: float = math.inf

    def take(self, length: int) -> bytes:
        if length < 0 or self.at + length > len(self.data):
            raise Damaged
        self.at += length
        return self.data[self.at - length : self.at]

    def long(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                wide = value & (2**64 - 1)
                return (wide >> 1) ^ -(wide & 1)
        raise Damaged

    def size(self) -> int:
        value = self.long()
        if not 0 <= value < 2**53:
            raise Damaged
        return value

    def count(self) -> int:
        value = self.long()
        if value < 0:
            self.long()
        if abs(value) > MOST_OF_BLOCK:
            raise Damaged
        return abs(value)

    def bytes_of(self) -> bytes:
        return self.take(self.size())

    def text(self) -> str:
        try:
            return self.bytes_of().decode()
        except UnicodeDecodeError as error:
            raise Damaged from error

    def write(self, text: str) -> str:
        self.left -= len(text)
        if self.left < 0:
            raise Damaged
        return text


Reader = Callable[[Cursor, int], str]


def avro_lines(blocks: Blocks) -> Blocks:
    try:
        yield from lines_of(Source(blocks))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        # The schema is not one; src/lib/engine/avro.ts refuses such files before.
        raise Damaged from error


class Source:
    """Blocks as bytes that are held until they are dropped."""

    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks
        self.held = b""

    def hold(self, size: int) -> bytes:
        parts = [self.held]
        length = len(self.held)
        while length < size and (block := next(self.blocks, b"")):
            parts.append(block)
            length += len(block)
        self.held = b"".join(parts) if len(parts) > 1 else self.held
        return self.held

    def read(self, size: int) -> bytes:
        found = self.hold(size)[:size]
        self.held = self.held[size:]
        return found


def lines_of(source: Source) -> Blocks:
    cursor = Cursor(source.hold(MOST_OF_HEADER))
    if cursor.take(4) != b"Obj\x01":
        raise Damaged
    entries: dict[str, bytes] = {}
    while count := cursor.count():
        for _ in range(count):
            name = cursor.text()
            entries[name] = cursor.bytes_of()
    sync = cursor.take(16)
    source.read(cursor.at)
    read = Compiler().reader(json.loads(entries["avro.schema"]), "")
    codec = entries.get("avro.codec", b"null").decode("latin-1") or "null"
    while held := source.hold(20)[:20]:
        start = Cursor(held)
        count, size = start.size(), start.size()
        if size > MOST_OF_BLOCK or count > MOST_OF_BLOCK:
            raise Damaged
        source.read(start.at)
        packed = source.read(size)
        if len(packed) < size or source.read(16) != sync:
            raise Damaged
        block = Cursor(unpacked(packed, codec))
        if count > len(block.data):
            raise Damaged
        lines: list[str] = []
        length = 0
        for _ in range(count):
            block.left = MOST_OF_RECORD
            lines.append(read(block, 0))
            length += len(lines[-1])
            if length >= PORTION:
                yield ("\n".join(lines) + "\n").encode()
                lines, length = [], 0
        if block.at != len(block.data):
            raise Damaged
        if lines:
            yield ("\n".join(lines) + "\n").encode()


def unpacked(packed: bytes, codec: str) -> bytes:
    try:
        if codec == "null":
            return packed
        if codec == "deflate":
            stream: Any = zlib.decompressobj(wbits=-15)
            text: bytes = stream.decompress(packed, MOST_OF_BLOCK + 1)
        elif codec == "bzip2":
            stream = bz2.BZ2Decompressor()
            text = stream.decompress(packed, MOST_OF_BLOCK + 1)
        elif codec == "snappy":
            size = snappy_size(packed)
            if size > MOST_OF_BLOCK:
                raise Damaged
            plain: bytes = pyarrow.Codec("snappy").decompress(packed[:-4], decompressed_size=size, asbytes=True)
            return plain
        elif codec == "zstandard":
            source = pyarrow.CompressedInputStream(pyarrow.BufferReader(packed), "zstd")
            text = source.read(MOST_OF_BLOCK + 1)
            if len(text) > MOST_OF_BLOCK:
                raise Damaged
            return text
        else:
            raise Damaged
    except (zlib.error, OSError, pyarrow.ArrowException) as error:
        raise Damaged from error
    if not stream.eof or len(text) > MOST_OF_BLOCK:
        raise Damaged
    return text


def snappy_size(packed: bytes) -> int:
    size = 0
    for place, byte in enumerate(packed[:5]):
        size |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return size
    raise Damaged


class Compiler:
    """Makes readers of schemas."""

    def __init__(self) -> None:
        self.named: dict[str, Reader] = {}

    def reader(self, schema: Any, space: str) -> Reader:
        if isinstance(schema, str):
            return self.simple(schema, space)
        if isinstance(schema, list):
            branches = [self.reader(branch, space) for branch in schema]

            def union(cursor: Cursor, depth: int) -> str:
                branch = cursor.size()
                if branch >= len(branches):
                    raise Damaged
                return branches[branch](cursor, depth)

            return union
        return self.complex(schema, space)

    def simple(self, name: str, space: str) -> Reader:
        if name in PRIMITIVES:
            return PRIMITIVES[name]
        full = name if "." in name or not space else f"{space}.{name}"
        key = full if full in self.named else name
        if key not in self.named:
            raise Damaged
        # A type may contain itself, so its reader may not be there yet.
        return lambda cursor, depth: self.named[key](cursor, depth)

    def complex(self, schema: dict[str, Any], space: str) -> Reader:
        kind = schema.get("type")
        if kind in ("record", "error", "enum", "fixed"):
            name = schema["name"]
            above = schema.get("namespace", space)
            full = name if "." in name or not above else f"{above}.{name}"
            self.named[full] = broken
            self.named[full] = self.of_name(schema, full.rpartition(".")[0])
            return self.named[full]
        if kind == "array":
            item = self.reader(schema["items"], space)
            return lambda cursor, depth: "[" + ",".join(parts(cursor, lambda: item(cursor, depth + 1))) + "]"
        if kind == "map":
            value = self.reader(schema["values"], space)
            return lambda cursor, depth: (
                "{"
                + ",".join(parts(cursor, lambda: cursor.write(as_json(cursor.text())) + ":" + value(cursor, depth + 1)))
                + "}"
            )
        if kind == "bytes":
            scale = scale_of(schema)
            return lambda cursor, _: cursor.write(bytes_text(cursor.bytes_of(), scale))
        if isinstance(kind, str) and (kind, schema.get("logicalType")) in TIMES:
            return TIMES[kind, schema["logicalType"]]
        return self.reader(kind, space)

    def of_name(self, schema: dict[str, Any], space: str) -> Reader:
        if schema["type"] == "enum":
            symbols: list[str] = schema["symbols"]

            def enum(cursor: Cursor, _: int) -> str:
                place = cursor.size()
                if place >= len(symbols):
                    raise Damaged
                return cursor.write(as_json(symbols[place]))

            return enum
        if schema["type"] == "fixed":
            size, scale = schema["size"], scale_of(schema)
            return lambda cursor, _: cursor.write(bytes_text(cursor.take(size), scale))
        fields = [(f"{as_json(f['name'])}:", self.reader(f["type"], space)) for f in schema["fields"]]

        def record(cursor: Cursor, depth: int) -> str:
            if depth > DEEPEST:
                raise Damaged
            return "{" + ",".join([cursor.write(key) + read(cursor, depth + 1) for key, read in fields]) + "}"

        return record


def broken(_cursor: Cursor, _depth: int) -> str:
    raise Damaged


def parts(cursor: Cursor, part: Callable[[], str]) -> list[str]:
    found: list[str] = []
    while count := cursor.count():
        for _ in range(count):
            cursor.write(",")
            found.append(part())
    return found


def as_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def number_text(value: float) -> str:
    """As JavaScript writes numbers. NaN and Infinity are null."""
    if not math.isfinite(value):
        return "null"
    if value == 0:
        return "0"
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    # The value is 0.digits times ten to the power of this.
    point = int(exponent or 0) + len(whole) - (len(whole + fraction) - len((whole + fraction).lstrip("0")))
    digits = digits.rstrip("0")
    sign = "-" if value < 0 else ""
    if len(digits) <= point <= 21:
        return sign + digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    power = point - 1
    rest = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{rest}e{'+' if power > 0 else '-'}{abs(power)}"


def scale_of(schema: dict[str, Any]) -> int | None:
    scale = schema.get("scale", 0)
    is_number = isinstance(scale, int | float) and not isinstance(scale, bool) and scale == int(scale)
    return int(scale) if schema.get("logicalType") == "decimal" and is_number and 0 <= scale <= 100 else None


def bytes_text(data: bytes, scale: int | None) -> str:
    if scale is not None and 0 < len(data) <= 64:
        value = int.from_bytes(data, "big", signed=True)
        digits = str(abs(value)).rjust(scale + 1, "0")
        whole = digits[: len(digits) - scale]
        return f'"{"-" if value < 0 else ""}{whole}{"." + digits[-scale:] if scale > 0 else ""}"'
    try:
        return as_json(data.decode())
    except UnicodeDecodeError:
        return f'"{base64.b64encode(data).decode()}"'


def day_text(days: int) -> str | None:
    if not -719_162 <= days <= 2_932_896:
        return None
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=days)).isoformat()


def moment_text(value: int, digits: int, zone: str) -> str | None:
    days, rest = divmod(value, 86_400 * 10**digits)
    day = day_text(days)
    return None if day is None else f"{day}T{clock_text(rest, digits)}{zone}"


def clock_text(value: int, digits: int) -> str | None:
    if not 0 <= value < 86_400 * 10**digits:
        return None
    seconds, fraction = divmod(value, 10**digits)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{fraction:0{digits}}"


def time_reader(text: Callable[[int], str | None]) -> Reader:
    def read(cursor: Cursor, _: int) -> str:
        value = cursor.long()
        found = text(value)
        return cursor.write(str(value) if found is None else f'"{found}"')

    return read


def times_of(unit: str, digits: int) -> dict[tuple[str, str], Reader]:
    return {
        ("long", f"timestamp-{unit}"): time_reader(lambda value: moment_text(value, digits, "Z")),
        ("long", f"local-timestamp-{unit}"): time_reader(lambda value: moment_text(value, digits, "")),
        ("int" if unit == "millis" else "long", f"time-{unit}"): time_reader(lambda value: clock_text(value, digits)),
    }


TIMES: dict[tuple[str, str], Reader] = {
    ("int", "date"): time_reader(day_text),
    **times_of("millis", 3),
    **times_of("micros", 6),
    **times_of("nanos", 9),
}

PRIMITIVES: dict[str, Reader] = {
    "null": lambda cursor, _: cursor.write("null"),
    "boolean": lambda cursor, _: cursor.write("false" if cursor.take(1)[0] == 0 else "true"),
    "int": lambda cursor, _: cursor.write(str(cursor.long())),
    "long": lambda cursor, _: cursor.write(str(cursor.long())),
    "float": lambda cursor, _: cursor.write(number_text(struct.unpack("<f", cursor.take(4))[0])),
    "double": lambda cursor, _: cursor.write(number_text(struct.unpack("<d", cursor.take(8))[0])),
    "bytes": lambda cursor, _: cursor.write(bytes_text(cursor.bytes_of(), None)),
    "string": lambda cursor, _: cursor.write(as_json(cursor.text())),
}
