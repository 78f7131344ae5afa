"""Reads ranges of raw objects, in exactly the versions of the batch, and copies whole objects to and from the disk."""

import contextlib
import os
import shutil
import time
from collections.abc import Callable
from typing import Any, TypeVar

import botocore.exceptions
import botocore.session

from sluice.description import Blocks, File, Stored

T = TypeVar("T")

# The bytes of one request to the store.
BLOCK = 8 * 2**20
# An object is sent in parts of so many bytes. S3 takes at most 5 GiB in one request, and 10,000 parts.
PART = 512 * 2**20


class Missing(RuntimeError):
    """An object, or a version of it, is gone."""


def place_of(file: File) -> tuple[int, int]:
    """The first byte and the number of bytes of a file in its object: all of them, or those of a member."""
    member = file.get("member")
    return (0, file["size"]) if member is None else (member["start"], member["size"])


class Store:
    """Reads versions of objects with any keys, and local files."""

    def __init__(self, region: str | None) -> None:
        self.region = region
        self.client: Any = None

    def blocks(self, file: File, start: int = 0) -> Blocks:
        """The bytes from `start` to the end, a block at a time."""
        first, size = place_of(file)
        for position in range(start, size, BLOCK):
            yield self.read(file, first + position, first + min(position + BLOCK, size))

    def head(self, file: File, size: int) -> bytes:
        first, length = place_of(file)
        return self.read(file, first, first + min(size, length)) if length > 0 else b""

    def read(self, file: File | Stored, start: int, stop: int) -> bytes:
        scheme, _, path = file["uri"].partition("://")
        if scheme == "file":
            with open(path, "rb") as local:
                local.seek(start)
                return local.read(stop - start)
        bucket, _, key = path.partition("/")
        asked = {"Bucket": bucket, "Key": key, "Range": f"bytes={start}-{stop - 1}"}
        if file["version"]:
            asked["VersionId"] = file["version"]

        def get() -> bytes:
            answer = self.s3().get_object(**asked)
            body: bytes = answer["Body"].read()
            # A store may ignore the range and send the whole object.
            return body if "ContentRange" in answer else body[start:stop]

        return self.patiently(get, f"{file['uri']} (version {file['version']})")

    def download(self, uri: str, path: str) -> None:
        """Copies an object to the disk. Raises Missing."""
        scheme, _, place = uri.partition("://")
        if scheme == "file":
            if not os.path.exists(place):
                raise Missing(f"ObjectMissing: {uri} is gone")
            shutil.copyfile(place, path)
            return
        bucket, _, key = place.partition("/")

        def get() -> None:
            body = self.s3().get_object(Bucket=bucket, Key=key)["Body"]
            with open(path, "wb") as local:
                while block := body.read(BLOCK):
                    local.write(block)

        self.patiently(get, uri)

    def upload_once(self, path: str, uri: str) -> int:
        """Copies a file to an object that is never overwritten. Gives the bytes of the object that stays."""
        scheme, _, place = uri.partition("://")
        size = os.path.getsize(path)
        if scheme == "file":
            os.makedirs(os.path.dirname(place), exist_ok=True)
            if not os.path.exists(place):
                shutil.copyfile(path, place)
            return os.path.getsize(place)
        bucket, _, key = place.partition("/")
        target = {"Bucket": bucket, "Key": key}
        try:
            self.patiently(lambda: self.put(path, size, target), uri)
            return size
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] not in ("PreconditionFailed", "412"):
                raise
        return int(self.s3().head_object(**target)["ContentLength"])

    def put(self, path: str, size: int, target: dict[str, str]) -> None:
        with open(path, "rb") as file:
            if size <= PART:
                self.s3().put_object(**target, Body=file, ContentLength=size)
                return
            upload = {**target, "UploadId": self.s3().create_multipart_upload(**target)["UploadId"]}
            try:
                parts = []
                for number, _ in enumerate(range(0, size, PART), start=1):
                    answer = self.s3().upload_part(**upload, PartNumber=number, Body=file.read(PART))
                    parts.append({"PartNumber": number, "ETag": answer["ETag"]})
                self.s3().complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
            except BaseException:
                # If this fails, the bucket's lifecycle rule removes the parts after some days.
                with contextlib.suppress(Exception):
                    self.s3().abort_multipart_upload(**upload)
                raise

    def s3(self) -> Any:
        if self.client is None:
            self.client = botocore.session.get_session().create_client("s3", region_name=self.region)
            # The botocore of Glue may be older than this condition.
            for call in ("PutObject", "CompleteMultipartUpload"):
                self.client.meta.events.register(f"before-call.s3.{call}", unless_there)
        return self.client

    def patiently(self, call: Callable[[], T], what: str) -> T:
        """Calls again if a connection breaks, or two callers write at once."""
        attempt = 0
        while True:
            try:
                return call()
            except botocore.exceptions.ClientError as error:
                code = error.response["Error"]["Code"]
                if code in ("NoSuchKey", "NoSuchVersion", "404"):
                    raise Missing(f"ObjectMissing: {what} is gone") from error
                if code != "ConditionalRequestConflict" or attempt == 5:
                    raise
            except (botocore.exceptions.HTTPClientError, botocore.exceptions.IncompleteReadError):
                # botocore retries requests, but not the reading of an answer.
                if attempt == 5:
                    raise
            time.sleep(2**attempt / 4)
            attempt += 1


def unless_there(params: dict[str, Any], **_: Any) -> None:
    """Whoever comes second, however late, changes nothing."""
    params["headers"]["If-None-Match"] = "*"
