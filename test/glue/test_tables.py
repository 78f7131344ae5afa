import io

import duckdb
import pyarrow
import pyarrow.parquet
from conftest import MakeFile

from sluice.description import Group
from sluice.row_part import SPLIT, parts_of
from sluice.store import Store
from sluice.tables import row_groups

# What the compiler makes of the columns is tested with the plans.
READER = """SELECT 'SELECT ' || getvariable('parquet_file') || '::INTEGER AS file, file_row_number + 1 AS line,
  encode(id::VARCHAR || text) AS raw, NULL::VARCHAR AS fault
  FROM read_parquet(''' || getvariable('parquet_path') || ''', file_row_number = true) WHERE file_row_number >= '
  || getvariable('parquet_from') || ' AND file_row_number < ' || getvariable('parquet_to')"""


def groups_in(parquet: bytes) -> list[Group]:
    metadata = pyarrow.parquet.read_metadata(io.BytesIO(parquet))
    groups: list[Group] = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        columns = [group.column(i) for i in range(group.num_columns)]
        starts = [c.dictionary_page_offset or c.data_page_offset for c in columns]
        ends = [start + c.total_compressed_size for start, c in zip(starts, columns, strict=True)]
        row = sum(g["rows"] for g in groups)
        groups.append({"row": row, "rows": group.num_rows, "start": min(starts), "end": max(ends)})
    return groups


def test_row_groups_are_read_from_their_own_bytes(make_file: MakeFile) -> None:
    table = pyarrow.table({"id": range(5000), "text": [f" {n}" for n in range(5000)]})
    written = io.BytesIO()
    pyarrow.parquet.write_table(table, written, row_group_size=1000, compression="none", use_dictionary=False)
    groups = groups_in(written.getvalue())
    broken = bytearray(written.getvalue())
    broken[groups[3]["start"] : groups[3]["end"]] = b"\xff" * (groups[3]["end"] - groups[3]["start"])
    file = make_file(bytes(broken), None, "table", 7)
    file["groups"] = groups
    db = duckdb.connect()
    parts = [(groups[0]["start"], groups[1]["end"]), (groups[2]["start"], groups[4]["end"])]
    found = [
        row
        for start, stop in parts
        for portion in row_groups(db, READER, Store(None), file, start, stop)
        for row in portion.to_pylist()
    ]
    good = [n for n in range(5000) if not 3000 <= n < 4000]
    assert [(r["line"], r["raw"]) for r in found if r["fault"] is None] == [(n + 1, f"{n} {n}".encode()) for n in good]
    assert [r for r in found if r["fault"] is not None] == [
        {"file": 7, "line": 3001, "raw": b"", "fault": "invalid_document"}
    ]


def test_a_part_of_a_file_has_row_groups_up_to_the_size_of_a_split() -> None:
    third = SPLIT // 3
    groups: list[Group] = [
        {"row": n, "rows": 1, "start": start, "end": end}
        for n, (start, end) in enumerate(
            [(4, third), (third, 2 * third), (2 * third, SPLIT + 9), (SPLIT + 9, 9 * SPLIT)]
        )
    ]
    assert parts_of(groups) == [(4, 2 * third), (2 * third, SPLIT + 9), (SPLIT + 9, 9 * SPLIT)]
    assert parts_of([]) == []
