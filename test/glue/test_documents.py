import gzip

import duckdb
from conftest import MakeFile

from sluice.description import Limits
from sluice.documents import Documents
from sluice.store import Store

LIMITS: Limits = {"record": 100, "archive": 10**9, "json": 20, "csv": 30, "sample": 4}
SQL = "SELECT file, 1::BIGINT AS line, raw, NULL::VARCHAR AS fault FROM documents"


def test_documents_are_parsed_together_and_what_is_too_large_or_broken_is_refused_whole(make_file: MakeFile) -> None:
    documents = Documents(duckdb.connect(), SQL, LIMITS)
    store = Store(None)
    documents.read(store, make_file(b"[1]", None, "document", 0))
    documents.read(store, make_file(gzip.compress(b"[2]"), "gzip", "document", 1))
    documents.read(store, make_file(gzip.compress(b"x" * 21), "gzip", "document", 2))
    documents.read(store, make_file(gzip.compress(b"[3]")[:-3], "gzip", "document", 3))
    csv = make_file(b"y" * 30, None, "document", 4)
    csv["header"] = ["id"]
    documents.read(store, csv)
    assert list(documents.take(1000)) == []
    rows = [row for table in documents.take(1) for row in table.to_pylist()]
    head = gzip.compress(b"")[:4]
    assert [(row["file"], row["raw"], row["fault"]) for row in rows] == [
        (0, b"[1]", None),
        (1, b"[2]", None),
        (4, b"y" * 30, None),
        (2, head, "document_too_large"),
        (3, head, "broken_archive"),
    ]
    assert list(documents.take(1)) == []
