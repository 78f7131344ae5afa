"""Reads ranges of raw objects, in exactly the versions of the batch."""

import time
from typing import Any

import botocore.exceptions
import botocore.session

from sluice.description import Blocks, File, Stored

# The bytes of one request to the store.
BLOCK = 8 * 2**20


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
        if self.client is None:
            self.client = botocore.session.get_session().create_client("s3", region_name=self.region)
        bucket, _, key = path.partition("/")
        asked = {"Bucket": bucket, "Key": key, "Range": f"bytes={start}-{stop - 1}"}
        if file["version"]:
            asked["VersionId"] = file["version"]
        attempt = 0
        while True:
            try:
                answer = self.client.get_object(**asked)
                body: bytes = answer["Body"].read()
                # A store may ignore the range and send the whole object.
                return body if "ContentRange" in answer else body[start:stop]
            except botocore.exceptions.ClientError as error:
                if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchVersion", "404"):
                    raise RuntimeError(f"ObjectMissing: {file['uri']} (version {file['version']}) is gone") from error
                raise
            except (botocore.exceptions.HTTPClientError, botocore.exceptions.IncompleteReadError):
                # botocore retries requests, but not the reading of an answer.
                if attempt == 5:
                    raise
                time.sleep(2**attempt / 4)
                attempt += 1
