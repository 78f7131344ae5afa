import bz2
import gzip
import zlib
from collections.abc import Callable
from typing import Any

import pyarrow
import pytest
from conftest import MakeFile

from sluice.archives import BrokenArchive, archive_fault, bunzip2, contents, gunzip
from sluice.store import BLOCK, Store

STORE = Store(None)


def unpacked(make_file: MakeFile, packed: bytes, compression: str | None) -> bytes:
    return b"".join(contents(STORE, make_file(packed, compression)))


def test_a_file_that_is_not_packed_is_given_as_it_is(make_file: MakeFile) -> None:
    assert unpacked(make_file, b"plain", None) == b"plain"


def test_gzip_of_one_member_of_many_and_with_padding_is_unpacked(make_file: MakeFile) -> None:
    one, two = gzip.compress(b"one\n"), gzip.compress(b"two\n")
    assert unpacked(make_file, one, "gzip") == b"one\n"
    assert unpacked(make_file, one + two, "gzip") == b"one\ntwo\n"
    assert unpacked(make_file, one + two + bytes(100), "gzip") == b"one\ntwo\n"


def test_a_member_of_a_zip_archive_is_its_part_of_the_file_and_what_the_directory_says_of_it(
    make_file: MakeFile,
) -> None:
    text = b"line\n" * 100_000
    deflate = zlib.compressobj(wbits=-15)
    packed = deflate.compress(text) + deflate.flush()
    true = {"name": "a", "start": 3, "size": len(packed), "unpacked": len(text), "crc": zlib.crc32(text)}

    def read(bytes_: bytes, **said: Any) -> bytes:
        file = make_file(b"PK." + bytes_ + b"rest", "zip")
        file["member"] = {**true, "isDeflated": True, **said}  # type: ignore[typeddict-item]
        return b"".join(contents(STORE, file))

    assert read(packed) == text
    assert read(text, size=len(text), isDeflated=False) == text
    assert read(b"", size=0, unpacked=0, crc=0) == b""
    for said in ({"crc": 1}, {"unpacked": 7}, {"unpacked": len(text) + 1}, {"size": len(packed) - 1}, {"size": 0}):
        with pytest.raises(BrokenArchive):
            read(packed, **said)


def test_members_may_begin_and_end_anywhere_in_a_block() -> None:
    packed = b"".join(gzip.compress(f"line {i}\n".encode()) for i in range(50))
    for size in (1, 7, 1000):
        blocks = iter([packed[i : i + size] for i in range(0, len(packed), size)])
        assert b"".join(gunzip(blocks)) == "".join(f"line {i}\n" for i in range(50)).encode()


def test_what_zlib_is_given_of_many_small_members_grows_with_their_bytes_and_not_with_their_square(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = 0

    class Counted:
        """zlib copies the unused rest of its input."""

        def __init__(self, wbits: int) -> None:
            self.member = decompressobj(wbits=wbits)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.member, name)

        def decompress(self, packed: bytes, limit: int) -> bytes:
            nonlocal given
            given += len(packed)
            return self.member.decompress(packed, limit)

    decompressobj = zlib.decompressobj
    monkeypatch.setattr(zlib, "decompressobj", Counted)
    packed = gzip.compress(b"\n") * 5000
    assert b"".join(gunzip(iter([packed]))) == b"\n" * 5000
    assert given < 20 * len(packed)


def test_members_of_a_byte_each_come_as_one_block() -> None:
    assert [len(block) for block in gunzip(iter([gzip.compress(b"\n") * 3000]))] == [3000]


def test_a_member_that_is_packed_well_comes_in_blocks_and_never_whole() -> None:
    sizes = [len(block) for block in gunzip(iter([gzip.compress(b"\n" * 2**26)]))]
    assert sum(sizes) == 2**26
    assert max(sizes) < 2 * BLOCK


def test_zstd_is_unpacked(make_file: MakeFile) -> None:
    packed = pyarrow.Codec("zstd").compress(b"x" * 100_000, asbytes=True)
    assert unpacked(make_file, packed, "zstd") == b"x" * 100_000


def framed(content: bytes) -> bytes:
    """Snappy in one block of Hadoop's format, in chunks."""
    chunks = [content[start : start + 50_000] for start in range(0, len(content), 50_000)]
    packed = [pyarrow.Codec("snappy").compress(chunk, asbytes=True) for chunk in chunks]
    return len(content).to_bytes(4, "big") + b"".join(len(chunk).to_bytes(4, "big") + chunk for chunk in packed)


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": lambda content: bytes(pyarrow.Codec("zstd").compress(content, asbytes=True)),
    "bzip2": bz2.compress,
    "snappy": framed,
}


@pytest.mark.parametrize("compression", ["bzip2", "snappy"])
def test_one_stream_and_many_are_unpacked_and_nothing_else_may_follow(make_file: MakeFile, compression: str) -> None:
    one, two = PACK[compression](b"one\n" * 30_000), PACK[compression](b"two\n")
    assert unpacked(make_file, one, compression) == b"one\n" * 30_000
    assert unpacked(make_file, two + one + two, compression) == b"two\n" + b"one\n" * 30_000 + b"two\n"
    assert unpacked(make_file, bytes(4) if compression == "snappy" else bz2.compress(b""), compression) == b""
    assert archive_fault(STORE, make_file(one + b"x", compression), 10**9) == "broken_archive"


def test_streams_of_bzip2_may_begin_and_end_anywhere_in_a_block() -> None:
    packed = b"".join(bz2.compress(f"line {i}\n".encode()) for i in range(50))
    for size in (1, 7, 1000):
        blocks = iter([packed[i : i + size] for i in range(0, len(packed), size)])
        assert b"".join(bunzip2(blocks)) == "".join(f"line {i}\n" for i in range(50)).encode()


def test_a_bomb_of_bzip2_comes_in_blocks_and_never_whole() -> None:
    sizes = [len(block) for block in bunzip2(iter([bz2.compress(b"\n" * 2**26)]))]
    assert sum(sizes) == 2**26
    assert max(sizes) < 2 * BLOCK


@pytest.mark.parametrize("compression", PACK)
def test_an_archive_that_is_cut_or_broken_is_told(make_file: MakeFile, compression: str) -> None:
    content = bytes(range(256)) * 500
    packed = PACK[compression](content)
    for broken in (packed[:-5], packed[:4] + b"\xff" * 20 + packed[24:]):
        with pytest.raises(BrokenArchive):
            unpacked(make_file, broken, compression)
        assert archive_fault(STORE, make_file(broken, compression), 10**9) == "broken_archive"


def test_an_archive_beyond_the_limit_is_refused_and_one_within_it_is_not(make_file: MakeFile) -> None:
    packed = gzip.compress(b"x" * 1000)
    assert archive_fault(STORE, make_file(packed, "gzip"), 999) == "archive_too_large"
    assert archive_fault(STORE, make_file(packed, "gzip"), 1000) is None
    assert archive_fault(STORE, make_file(b"x" * 1000), 1) is None


def test_a_store_that_fails_while_an_archive_is_read_is_no_fault_of_the_archive(make_file: MakeFile) -> None:
    for compression in PACK:
        gone = make_file(b"", compression)
        gone["size"] = 10
        gone["uri"] += "-gone"
        with pytest.raises(FileNotFoundError):
            archive_fault(STORE, gone, 10**9)
