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


def setup_of(files: list[File]) -> Setup:
    return {
        "arrow_schema": SCHEMA.serialize().to_pybytes(),
        "records": """SELECT object AS _object, version AS _version, line AS _line,
            decode(raw) || coalesce(fault, '') || (SELECT max(word) FROM words) AS text
            FROM records JOIN files USING (file)""",
        "documents": "SELECT file, 1::BIGINT AS line, raw, NULL::VARCHAR AS fault FROM documents",
        "files": files,
        "limits": {"record": 100, "archive": 10**9, "json": 100, "csv": 100, "sample": 10},
        "region": None,
        "references": [("words", {"word": "VARCHAR"}, b'{"word":"!"}\n')],
    }


def test_records_of_lines_documents_and_refused_files_go_through_the_plan(make_file: MakeFile) -> None:
    files = [
        make_file(b"a\n\nb\nc\n", None, "lines", 0),
        make_file(b"[1]", None, "document", 1),
        make_file(b"", None, "refused", 2),
    ]
    files[2]["head"], files[2]["fault"] = "AAE=", "not_text"
    units = pyarrow.record_batch({"file": [0, 0, 1, 2], "start": [0, 4, 0, 0], "stop": [4, 7, 3, 0]})
    rows = pyarrow.Table.from_batches(kernel([units], setup_of(files))).to_pylist()
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
