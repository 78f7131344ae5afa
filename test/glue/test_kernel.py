import json

import pyarrow
from conftest import MakeFile

from sluice.description import File
from sluice.kernel import Setup, kernel

SCHEMA = pyarrow.schema(
    [
        ("_object", pyarrow.string()),
        ("_version", pyarrow.string()),
        ("_line", pyarrow.int64()),
        ("text", pyarrow.string()),
        ("_split", pyarrow.int64()),
        ("_lines", pyarrow.int64()),
    ]
)


def setup_of() -> Setup:
    return {
        "arrow_schema": SCHEMA.serialize().to_pybytes(),
        "records": """SELECT object AS _object, version AS _version, line AS _line,
            decode(raw) || coalesce(fault, '') || (SELECT max(word) FROM words) AS text
            FROM records JOIN files USING (file)""",
        "documents": "SELECT file, 1::BIGINT AS line, raw, NULL::VARCHAR AS fault FROM documents",
        "limits": {"record": 100, "archive": 10**9, "json": 100, "csv": 100, "sample": 10},
        "region": None,
        "references": [("words", {"word": "VARCHAR"}, b'{"word":"!"}\n')],
    }


def units_of(parts: list[tuple[File, int, int]]) -> pyarrow.RecordBatch:
    files, starts, stops = zip(*parts, strict=True)
    return pyarrow.record_batch({"file": [json.dumps(file) for file in files], "start": starts, "stop": stops})


def test_a_task_knows_only_its_own_files_of_a_batch_that_may_have_many(make_file: MakeFile) -> None:
    units = units_of(
        [(make_file(b"a\n", None, "lines", 70_000), 0, 2), (make_file(b"b\n", None, "lines", 99_999), 0, 2)]
    )
    setup = setup_of()
    setup["records"] = """SELECT object AS _object, version AS _version, line AS _line,
        (SELECT count(*) FROM files)::VARCHAR AS text FROM records JOIN files USING (file)"""
    rows = pyarrow.Table.from_batches(kernel([units], setup)).to_pylist()
    assert [(r["_object"], r["text"], r["_lines"]) for r in rows] == [
        ("test/70000", "2", None),
        ("test/99999", "2", None),
        ("test/70000", None, 1),
        ("test/99999", None, 1),
    ]


def test_records_of_lines_documents_and_refused_files_go_through_the_plan(make_file: MakeFile) -> None:
    files = [
        make_file(b"a\n\nb\nc\n", None, "lines", 0),
        make_file(b"[1]", None, "document", 1),
        make_file(b"", None, "refused", 2),
    ]
    files[2]["head"], files[2]["fault"] = "AAE=", "not_text"
    units = units_of([(files[0], 0, 4), (files[0], 4, 7), (files[1], 0, 3), (files[2], 0, 0)])
    rows = pyarrow.Table.from_batches(kernel([units], setup_of())).to_pylist()
    found = sorted((r["_object"], r["_split"], r["_line"], r["text"]) for r in rows if r["_lines"] is None)
    # The line "b" begins in the first of the two splits.
    assert found == [
        ("test/0", 0, 1, "a!"),
        ("test/0", 0, 3, "b!"),
        ("test/0", 4, 1, "c!"),
        ("test/1", 0, 1, "[1]!"),
        ("test/2", 0, 1, "\x00\x01not_text!"),
    ]
    assert [(r["_split"], r["_lines"]) for r in rows if r["_lines"] is not None] == [(0, 3), (4, 1)]
