import gzip
import random
import tracemalloc
from collections.abc import Iterator

import pyarrow
from conftest import MakeFile

from sluice.description import Limits
from sluice.lines import LINE_BITS, Found, Lines, Split, lines_of, lines_within, with_splits
from sluice.store import Store

LIMITS: Limits = {"record": 100, "archive": 10**9, "json": 10**9, "csv": 10**9, "sample": 10}
Record = tuple[int, bytes, str | None]


def records_of(make_file: MakeFile, content: bytes, skip: int = 0, compression: str | None = None) -> list[Record]:
    """(line, text, fault) of each record of a file that is one split, after this many bytes."""
    lines = Lines()
    file = make_file(content, compression)
    if skip > 0:
        file["body"] = {"skipBytes": skip, "skipLines": 1, "encoding": None, "endsInCr": False, "hasUnnamed": False}
    tables = [*lines.read(Store(None), file, 0, file["size"], LIMITS), *lines.take(1)]
    return [
        (row["line"] & ((1 << LINE_BITS) - 1), row["raw"], row["fault"])
        for table in tables
        for row in table.to_pylist()
    ]


def records(blocks: Iterator[bytes], longest: int) -> list[Record]:
    """(line, text, fault) of each record in blocks, then the number of lines."""
    found: list[Record] = []
    seen = 0
    for lines, places, texts, faults in lines_of(blocks, False, longest, 10):
        found += [(seen + place + 1, text, fault) for place, text, fault in zip(places, texts, faults, strict=True)]
        seen += lines
    return [*found, (seen, b"", "lines")]


def naive(content: bytes, longest: int) -> list[Record]:
    """The same in plain Python."""
    lines = content.removesuffix(b"\n").split(b"\n") if content else []
    found: list[Record] = [
        (place, line, None) if len(line) <= longest else (place, line[:10], "record_too_large")
        for place, line in enumerate(lines, 1)
        if line.strip(b" \t\r") or len(line) > longest
    ]
    return [*found, (len(lines), b"", "lines")]


def test_records_and_their_places_do_not_depend_on_how_blank_a_text_is_nor_on_where_blocks_end() -> None:
    chance = random.Random(7)
    for _ in range(3000):
        content = b"".join(
            chance.choice([b"\n", b"\n", b"\n\n\n", b" ", b"\r\n", b"\t\n", b"a", b" a ", b"b" * 30, b" " * 30])
            for _ in range(chance.randrange(40))
        )
        size, longest = chance.choice([1, 2, 5, 17, 1000]), chance.choice([12, 40, 1000])
        blocks = [content[i : i + size] for i in range(0, len(content), size)]
        assert records(iter(blocks), longest) == naive(content, longest), (content, size, longest)


def test_a_line_that_is_too_long_is_a_record_even_if_its_first_bytes_are_blank(make_file: MakeFile) -> None:
    content = b" " * 200 + b"x\n" + b" " * 101
    assert records_of(make_file, content) == [(1, b" " * 10, "record_too_large"), (2, b" " * 10, "record_too_large")]


def test_line_ends_by_the_million_make_no_objects_of_their_own() -> None:
    block = b"\n" * 2**20 + b"{}\n"
    tracemalloc.start()
    found = list(lines_of(iter([block]), True, 2**24, 10))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [(f.lines, f.texts) for f in found] == [(1, []), (2**20, [b"{}"])]
    assert peak < 3 * len(block)


def test_more_lines_than_a_32_bit_number_holds_are_one_split(make_file: MakeFile) -> None:
    lines = Lines()
    lines.splits.append(Split(0, 0))
    lines.add(Found(2**33, [], [], []))
    lines.add(Found(1, [0], [b"{}"], [None]))
    (table,) = lines.take(1)
    rows = pyarrow.table({"_line": table.column("line")})
    located = with_splits(rows, lines.splits).to_pylist()
    assert [(row["_line"], row["_split"]) for row in located] == [(2**33 + 1, 0)]


def test_blank_lines_are_no_records_and_are_counted(make_file: MakeFile) -> None:
    content = b"\xef\xbb\xbfa\n\n \t\r\nb\r\n   c \n\r\n"
    assert records_of(make_file, content) == [(1, b"a", None), (4, b"b\r", None), (5, b"   c ", None)]


def test_what_stands_before_the_records_of_a_csv_is_none(make_file: MakeFile) -> None:
    content = b"id\n1\n2\n"
    for packed, compression in ((content, None), (gzip.compress(content), "gzip")):
        assert records_of(make_file, packed, 3, compression) == [(1, b"1", None), (2, b"2", None)]
        assert records_of(make_file, packed, len(content), compression) == []


def test_of_a_line_that_is_too_long_the_first_bytes_are_kept(make_file: MakeFile) -> None:
    content = b"a\n" + b"x" * 101 + b"\nb\n" + b"y" * 100
    assert records_of(make_file, content) == [
        (1, b"a", None),
        (2, b"x" * 10, "record_too_large"),
        (3, b"b", None),
        (4, b"y" * 100, None),
    ]


def test_lines_are_the_same_wherever_blocks_end() -> None:
    content = b"\n".join([b"a", b"", b"x" * 250, b"b", b"y" * 99, b""])
    whole = records(iter([content]), 100)
    for size in (1, 3, 100):
        assert records(iter([content[i : i + size] for i in range(0, len(content), size)]), 100) == whole


def test_each_line_belongs_to_the_split_that_it_begins_in() -> None:
    chance = random.Random(1)
    for _ in range(200):
        content = b"".join(b"x" * chance.randrange(6) + b"\n" for _ in range(chance.randrange(1, 20)))
        split, block = chance.randrange(1, 20), chance.randrange(1, 9)

        def blocks(start: int, content: bytes = content, block: int = block) -> list[bytes]:
            return [content[i : i + block] for i in range(start, len(content), block)]

        parts = [
            b"".join(lines_within(iter(blocks(max(start - 1, 0))), start, min(start + split, len(content))))
            for start in range(0, len(content), split)
        ]
        assert b"".join(parts) == content
        assert all(part == b"" or part.endswith(b"\n") for part in parts)
