"""Turns each split of a file of lines into records with their positions."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy
import numpy.typing
import pyarrow

from sluice.archives import contents, is_plain
from sluice.description import Blocks, File, Limits
from sluice.store import Store

# A line's position in a task: the number of its split in the task, then its number in the split. An archive is one
# split and may have 100 GiB of line ends.
LINE_BITS = 40
# How much one query takes, in bytes and in lines.
PORTION = 32 * 2**20
PORTION_LINES = 122_880
# If lines have at least this mean length, few of them are blank.
USUAL_LINE = 16
BLANK = b" \t\r"
NOT_BLANK = re.compile(rb"[^ \t\r\n]")


@dataclass
class Split:
    """A part of a file, and the number of lines that begin in it."""

    file: int
    start: int
    lines: int = 0


class Found(NamedTuple):
    """Consecutive lines: their number, and those that are records with their positions from 0."""

    lines: int
    places: list[int]
    texts: list[bytes]
    faults: list[str | None]


class Lines:
    """Collects lines of several splits until a query is worth its cost."""

    def __init__(self) -> None:
        self.splits: list[Split] = []  # in the order of reading
        self.start_anew()

    def start_anew(self) -> None:
        self.files: list[numpy.typing.NDArray[numpy.int32]] = []
        self.numbers: list[numpy.typing.NDArray[numpy.int64]] = []
        self.texts: list[bytes] = []
        self.faults: list[str | None] = []
        self.bytes = 0

    def read(self, store: Store, file: File, start: int, stop: int, limits: Limits) -> Iterator[pyarrow.Table]:
        """Adds the lines that begin in this split. Gives the portions that are full then."""
        self.splits.append(Split(file["file"], start))
        # Lines before a CSV's records are not records.
        skip = file["body"]["skipBytes"] if file["body"] is not None and start == 0 else 0
        if is_plain(file):
            first = max(start, skip)
            blocks = lines_within(store.blocks(file, max(first - 1, 0)), first, stop)
        else:
            blocks = after(contents(store, file), skip)
        for found in lines_of(blocks, start == 0 and skip == 0, limits["record"], limits["sample"]):
            self.add(found)
            yield from self.take(PORTION)

    def add(self, found: Found) -> None:
        split = self.splits[-1]
        first = ((len(self.splits) - 1) << LINE_BITS) + split.lines + 1
        split.lines += found.lines
        if not found.texts:
            return
        self.files.append(numpy.full(len(found.texts), split.file, dtype=numpy.int32))
        self.numbers.append(numpy.array(found.places, dtype=numpy.int64) + first)
        self.texts += found.texts
        self.faults += found.faults
        self.bytes += sum(map(len, found.texts))

    def take(self, least: int) -> Iterator[pyarrow.Table]:
        """The collected lines, if they have reached the size or fill a row group."""
        if not self.texts or (self.bytes < least and len(self.texts) < min(least, PORTION_LINES)):
            return
        records = pyarrow.table(
            {
                "file": numpy.concatenate(self.files),
                "line": numpy.concatenate(self.numbers),
                "raw": pyarrow.array(self.texts, pyarrow.binary()),
                "fault": pyarrow.array(self.faults, pyarrow.string()),
            }
        )
        self.start_anew()
        yield records


def after(blocks: Blocks, skip: int) -> Blocks:
    """Skips bytes."""
    for block in blocks:
        if skip < len(block):
            yield block[skip:]
        skip = max(0, skip - len(block))


def lines_within(blocks: Blocks, start: int, stop: int) -> Blocks:
    """The lines that begin from `start` to before `stop`, of blocks that begin one byte before `start`."""
    position = max(start - 1, 0)
    is_within = start == 0
    for block in blocks:
        if not is_within:
            end = block.find(b"\n")
            if end < 0:
                position += len(block)
                continue
            is_within = True
            position += end + 1
            block = block[end + 1 :]
            if position >= stop:
                return
        end = -1
        if position + len(block) >= stop:
            end = block.find(b"\n", max(stop - 1 - position, 0))
        if end >= 0:
            yield block[: end + 1]
            return
        yield block
        position += len(block)


def lines_of(blocks: Blocks, is_start: bool, longest: int, sample: int) -> Iterator[Found]:
    """All lines without their ends. A line that is too long is never in memory: only its first bytes are kept."""
    rest = b""
    is_skipping = False
    for block in blocks:
        if is_start:
            is_start = False
            block = block.removeprefix(b"\xef\xbb\xbf")
        end = block.find(b"\n")
        last = block.rfind(b"\n")
        if not is_skipping:
            rest += block if end < 0 else block[:end]
            if len(rest) > longest:
                yield Found(1, [0], [rest[:sample]], ["record_too_large"])
                is_skipping = True
        if end < 0:
            rest = b"" if is_skipping else rest
            continue
        if not is_skipping:
            yield records_in(rest + b"\n", longest, sample)
        if last > end:
            yield records_in(block[end + 1 : last + 1], longest, sample)
        rest = block[last + 1 :]
        is_skipping = False
    if rest:
        yield records_in(rest + b"\n", longest, sample)


def records_in(text: bytes, longest: int, sample: int) -> Found:
    """The records of a text that ends with a line end. Blank lines are not records. There may be millions of them."""
    count = text.count(b"\n")
    if count * USUAL_LINE > len(text) and len(text) <= longest:
        return records_between_blanks(text, count)
    texts = text.split(b"\n")
    texts.pop()
    # A line that is too long is a record even if its first bytes are blank, because its end is unknown.
    places = [place for place, line in enumerate(texts) if line.strip(BLANK) or len(line) > longest]
    if len(places) < len(texts):
        texts = [texts[place] for place in places]
    if not texts or max(map(len, texts)) <= longest:
        return Found(count, places, texts, [None] * len(texts))
    faults = [None if len(line) <= longest else "record_too_large" for line in texts]
    cut = [line if fault is None else line[:sample] for line, fault in zip(texts, faults, strict=True)]
    return Found(count, places, cut, faults)


def records_between_blanks(text: bytes, count: int) -> Found:
    """The same if most lines are blank: the time depends on the records, not on the blank lines."""
    places: list[int] = []
    texts: list[bytes] = []
    place = position = 0
    while (found := NOT_BLANK.search(text, position)) is not None:
        start = max(text.rfind(b"\n", position, found.start()) + 1, position)
        place += text.count(b"\n", position, start)
        end = text.index(b"\n", start)
        places.append(place)
        texts.append(text[start:end])
        place += 1
        position = end + 1
    return Found(count, places, texts, [None] * len(texts))


def with_splits(rows: pyarrow.Table, splits: Sequence[Split] | None) -> pyarrow.Table:
    """Each row's position: its split and its line in it. `splits` is None for records that are not lines."""
    lines = rows.column("_line").to_numpy()
    starts = numpy.zeros(len(lines), dtype=numpy.int64)
    if splits is not None and len(lines) > 0:
        starts = numpy.array([split.start for split in splits], dtype=numpy.int64)[lines >> LINE_BITS]
        lines = lines & ((1 << LINE_BITS) - 1)
    place = rows.schema.get_field_index("_line")
    return (
        rows.set_column(place, "_line", pyarrow.array(lines))
        .append_column("_split", pyarrow.array(starts))
        .append_column("_lines", pyarrow.nulls(rows.num_rows, pyarrow.int64()))
    )


def split_rows(splits: Sequence[Split], files: Mapping[int, File], schema: pyarrow.Schema) -> pyarrow.RecordBatch:
    """A row for each split with its number of lines. `files`: by their numbers."""
    known: dict[str, list[Any]] = {
        "_object": [files[split.file]["object"] for split in splits],
        "_version": [files[split.file]["version"] for split in splits],
        "_split": [split.start for split in splits],
        "_lines": [split.lines for split in splits],
    }
    return pyarrow.record_batch(
        [pyarrow.array(known.get(field.name, [None] * len(splits)), field.type) for field in schema],
        schema=schema,
    )
