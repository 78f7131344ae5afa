"""The job's description, which src/lib/engine/sparkJob.ts writes, and the types that its modules share."""

from collections.abc import Iterator
from typing import Any, Literal, NotRequired, TypedDict


class Encoding(TypedDict):
    name: str
    # The 256 characters of a single-byte encoding.
    table: NotRequired[str]


class Body(TypedDict):
    """Where the records of a CSV begin."""

    # What comes before the records, in bytes of the UTF-8 text and in lines.
    skipBytes: int
    skipLines: int
    encoding: Encoding | None
    # Whether lines end with CR only.
    endsInCr: bool
    hasUnnamed: bool


class Stored(TypedDict):
    """An object of the store, whatever its version."""

    uri: str
    version: None
    # Bytes.
    size: int


class Member(TypedDict):
    """A member of a zip archive."""

    name: str
    # The place of its bytes in the archive, and their number.
    start: int
    size: int
    # The number of its bytes when unpacked, and their checksum.
    unpacked: int
    crc: int
    isDeflated: bool


class Group(TypedDict):
    """A row group of a Parquet file."""

    # Its first row from 0, and the number of its rows.
    row: int
    rows: int
    # Its place in bytes.
    start: int
    end: int


class Conversion(TypedDict):
    """How the unpacked content of a file becomes lines of JSON (xml), or a CSV (xlsx)."""

    kind: Literal["xml", "xlsx"]
    # The name of a record's element, after those of the elements around it.
    record: NotRequired[list[str]]
    # The elements that are lists, by their paths from the record.
    lists: NotRequired[list[str]]
    encoding: NotRequired[Encoding | None]
    sheet: NotRequired[Member]
    # The texts that cells share.
    strings: NotRequired[Member | None]
    # The numbers of the cell formats that are dates, and of those with a time.
    dates: NotRequired[list[int]]
    times: NotRequired[list[int]]
    # Whether days are counted from 1904.
    is1904: NotRequired[bool]


class File(TypedDict):
    """A raw file, exactly one version of it."""

    file: int
    object: str
    version: str
    # Stored bytes, and the estimated bytes when unpacked.
    size: int
    unpacked: int
    layout: Literal["lines", "document", "table", "refused", "empty"]
    # The reason why the whole file is refused.
    fault: str | None
    compression: Literal["gzip", "zstd", "bzip2", "snappy", "zip", "avro"] | None
    # A CSV's names of fields. In the description they are a number, because many files have the same.
    header: int | list[str] | None
    body: Body | None
    # The first bytes of a refused file, base64.
    head: NotRequired[str]
    # The row groups of a Parquet file.
    groups: NotRequired[list[Group] | None]
    # The file is this part of the object.
    member: NotRequired[Member | None]
    conversion: NotRequired[Conversion | None]
    uri: str


class Limits(TypedDict):
    """In bytes."""

    record: int
    archive: int
    json: int
    csv: int
    # The part of refused input that is kept.
    sample: int


class Reference(TypedDict):
    name: str
    columns: dict[str, str]
    uri: str


class Origin(TypedDict):
    object: str
    version: str


class StoredObject(TypedDict):
    uri: str
    # Bytes.
    size: int


class PublishedObject(TypedDict):
    uri: str
    # Bytes.
    size: int
    # Of its partition, in the order of the plan's keys; None stands for each value of a key.
    values: list[str | None]
    # Whether its rows always stay; by default, if a value is None.
    isFixed: NotRequired[bool]
    # The positions of rows that have left it.
    deletes: NotRequired[StoredObject]


class Job(TypedDict):
    # src/lib/model/plan.ts
    plan: dict[str, Any]
    batch: str
    files: list[File]
    # Those of the files.
    headers: list[list[str]]
    references: list[Reference]
    limits: Limits
    # Where published rows are, if the plan looks for duplicates of them: below a folder, or in these objects.
    published: str | list[PublishedObject] | None
    # The tombstones of earlier batches, if rows may delete keys.
    deleted: list[StoredObject]
    # The files whose rows the batch replaces.
    replaces: list[Origin]
    # Prefixes of the names of objects that were never committed.
    exclude: list[str]
    data: str
    quarantine: str
    # The published rows that newer ones replace.
    replaced: str
    # The published rows whose validity is another one now.
    changed: str
    # The keys that the batch deletes.
    tombstones: str
    # The files that have lost rows to others.
    lost: str
    summary: str
    region: str | None


# Bytes, a block at a time.
Blocks = Iterator[bytes]


class FileCounts(TypedDict):
    rowsRead: int
    published: int
    quarantined: int
    duplicates: int
    # Only where the contract says which records are of its dataset.
    skipped: NotRequired[int]
    # Published rows of other files that leave the table for newer rows, if published rows are compared.
    replacedRows: NotRequired[int]
    # Only where rows may delete keys: the rows that do, and the published rows of other files that leave for them.
    deletes: NotRequired[int]
    deletedRows: NotRequired[int]
    # Published rows whose validity another version of their key changes, if the contract has a history.
    changedRows: NotRequired[int]


class CountedFile(FileCounts):
    object: str
    version: str


class Partition(TypedDict):
    values: list[str]
    rows: int


class Summary(FileCounts):
    reasons: dict[str, int]
    # The number of values that did not fit their column, by column.
    nulled: dict[str, int]
    files: list[CountedFile]
    partitions: list[Partition]
