import io
from typing import Any

import botocore.exceptions
import pytest
from conftest import MakeFile

from sluice.description import File
from sluice.store import BLOCK, Store


class FakeS3:
    """Answers GetObject, optionally with one failure first."""

    def __init__(self, content: bytes, failures: list[Exception], has_ranges: bool = True) -> None:
        self.content = content
        self.failures = failures
        self.has_ranges = has_ranges
        self.asked: list[dict[str, str]] = []

    def get_object(self, **asked: str) -> dict[str, Any]:
        self.asked.append(asked)
        if self.failures:
            raise self.failures.pop(0)
        if not self.has_ranges:
            return {"Body": io.BytesIO(self.content)}
        first, last = asked["Range"].removeprefix("bytes=").split("-")
        return {"Body": io.BytesIO(self.content[int(first) : int(last) + 1]), "ContentRange": "bytes"}


def store_over(s3: FakeS3) -> Store:
    store = Store("eu-west-1")
    store.client = s3
    return store


@pytest.fixture
def in_s3(make_file: MakeFile) -> File:
    file = make_file(b"0123456789")
    file["uri"] = "s3://raw/a key: #1?"
    return file


def test_blocks_of_a_file_are_all_of_it(make_file: MakeFile) -> None:
    content = bytes(range(256)) * (BLOCK // 256 + 1)
    blocks = list(Store(None).blocks(make_file(content), 5))
    assert b"".join(blocks) == content[5:]
    assert max(map(len, blocks)) == BLOCK


def test_the_version_of_the_batch_is_read_by_ranges(in_s3: File) -> None:
    s3 = FakeS3(b"0123456789", [])
    assert store_over(s3).read(in_s3, 2, 5) == b"234"
    assert s3.asked == [{"Bucket": "raw", "Key": "a key: #1?", "Range": "bytes=2-4", "VersionId": "v"}]


def test_a_store_that_answers_a_range_with_the_whole_object_is_understood(in_s3: File) -> None:
    assert store_over(FakeS3(b"0123456789", [], has_ranges=False)).read(in_s3, 2, 5) == b"234"


def test_an_answer_that_breaks_off_is_asked_for_again(in_s3: File, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    broken = [botocore.exceptions.IncompleteReadError(actual_bytes=1, expected_bytes=3) for _ in range(6)]
    assert store_over(FakeS3(b"0123456789", broken[:5])).read(in_s3, 2, 5) == b"234"
    with pytest.raises(botocore.exceptions.IncompleteReadError):
        store_over(FakeS3(b"0123456789", broken[:6])).read(in_s3, 2, 5)


def test_a_version_that_is_gone_is_told_by_name(in_s3: File) -> None:
    gone = botocore.exceptions.ClientError({"Error": {"Code": "NoSuchVersion"}}, "GetObject")
    with pytest.raises(RuntimeError, match="ObjectMissing: s3://raw/a key"):
        store_over(FakeS3(b"", [gone])).read(in_s3, 0, 1)
