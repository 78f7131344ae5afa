"""
S3 where ministack accepts what S3 rejects, or keeps what S3 drops. Each rule names its page below https://docs.aws.amazon.com/AmazonS3/latest/.
"""

import base64
import re
import urllib.parse
from xml.etree.ElementTree import ParseError, fromstring

from ministack.services import s3

SMALLEST_PART = 5 * 1024 * 1024
MALFORMED = "The XML you provided was not well-formed or did not validate against our published schema"
NOT_SUPPORTED = "A header you provided implies functionality that is not implemented"


def condition_writes() -> None:
    """userguide/conditional-writes.html: If-None-Match takes only "*", and a copy has the conditions of an upload, too."""
    check = s3._check_put_preconditions
    copy = s3._copy_object

    def checked(headers, existing):
        if headers.get("if-none-match", "*").strip() not in ("", "*"):
            return s3._error("NotImplemented", NOT_SUPPORTED, 501)
        return check(headers, existing)

    def copied(bucket_name, key, headers):
        bucket = s3._ensure_bucket(bucket_name)
        failed = None if bucket is None else checked(headers, bucket["objects"].get(key))
        return failed or changes_nothing(bucket_name, key, headers) or copy(bucket_name, key, headers)

    s3._check_put_preconditions = checked
    s3._copy_object = copied


# API/API_CopyObject.html: what may change an object that is copied onto itself.
CHANGES = ("x-amz-storage-class", "x-amz-website-redirect-location", "x-amz-server-side-encryption", "x-amz-server-side-encryption-customer-algorithm")


def changes_nothing(bucket_name, key, headers):
    source, _, version = headers.get("x-amz-copy-source", "").lstrip("/").partition("?")
    if urllib.parse.unquote(source) != f"{bucket_name}/{key}" or version:
        return None
    replaces = headers.get("x-amz-metadata-directive", "COPY").upper() == "REPLACE"
    if replaces or any(name in headers for name in CHANGES):
        return None
    return s3._error(
        "InvalidRequest",
        "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, "
        "storage class, website redirect location or encryption attributes.",
        400,
    )


def part_numbers(body):
    """The numbers of the parts in a request's order; None if it is not a document of parts."""
    try:
        document = fromstring(body)
    except ParseError:
        return None
    numbers = [child.text or "" for child in document.iter() if child.tag.rpartition("}")[2] == "PartNumber"]
    return [int(n) for n in numbers] if numbers and all(re.fullmatch(r"\d+", n) for n in numbers) else None


def complete_uploads_in_order() -> None:
    """API/API_CompleteMultipartUpload.html, and userguide/qfacts.html: a part has 5 MiB at least, but for the last one."""
    create = s3._create_multipart_upload
    complete = s3._complete_multipart_upload

    def completed(bucket_name, key, body, query, headers=None):
        upload_id = s3._qp(query, "uploadId")
        upload = s3._multipart_uploads.get(upload_id)
        if upload is None:
            return complete(bucket_name, key, body, query, headers)
        numbers = part_numbers(body)
        if numbers is None:
            return s3._error("MalformedXML", MALFORMED, 400)
        if any(a >= b for a, b in zip(numbers, numbers[1:])):
            order = "The list of parts was not in ascending order. The parts list must be specified in order by part number."
            return s3._error("InvalidPartOrder", order, 400)
        stored = [upload["parts"].get(number) for number in numbers[:-1]]
        if any(part is not None and len(part["body"]) < SMALLEST_PART for part in stored):
            return s3._error("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size", 400)
        answer = complete(bucket_name, key, body, query, headers)
        if answer[0] == 200 and upload.get("tags"):
            current = s3._ensure_bucket(bucket_name)["objects"][key]
            s3._object_tags[(bucket_name, key, current.get("version_id"))] = upload["tags"]
        return answer

    def created(bucket_name, key, headers):
        answer = create(bucket_name, key, headers)
        if answer[0] == 200 and headers.get("x-amz-tagging"):
            upload_id = next(child.text for child in fromstring(answer[2]) if child.tag.rpartition("}")[2] == "UploadId")
            s3._multipart_uploads[upload_id]["tags"] = dict(urllib.parse.parse_qsl(headers["x-amz-tagging"], keep_blank_values=True))
        return answer

    s3._create_multipart_upload = created
    s3._complete_multipart_upload = completed


def tag_objects() -> None:
    """userguide/object-tagging.html: keys of tags are unique, and an object that replaces another has only its own tags."""
    record = s3._record_object_version
    put_tags = s3._put_object_tagging

    def recorded(bucket_name, key, *args, **kwargs):
        # Writers set the new object's tags after this.
        if s3._bucket_versioning.get(bucket_name) != "Enabled":
            s3._object_tags.pop((bucket_name, key, None), None)
        return record(bucket_name, key, *args, **kwargs)

    def tagged(bucket_name, key, body, query=None):
        try:
            names = [name for name, _ in s3._iter_tag_pairs(fromstring(body))]
        except ParseError:
            names = []
        if len(set(names)) < len(names):
            return s3._error("InvalidTag", "Cannot provide multiple Tags with the same key", 400)
        return put_tags(bucket_name, key, body, query)

    s3._record_object_version = recorded
    s3._put_object_tagging = tagged


def tell_checksums() -> None:
    """API/API_PutObject.html: an upload's answer has the checksum that S3 keeps."""
    put = s3._put_object

    def put_object(bucket_name, key, body, headers):
        status, told, answer = put(bucket_name, key, body, headers)
        if status == 200:
            kept = s3._ensure_bucket(bucket_name)["objects"][key].get("checksums") or {}
            told = {**told, **{f"x-amz-checksum-{name.lower()}": value for name, value in kept.items()}}
            if kept:
                told["x-amz-checksum-type"] = "FULL_OBJECT"
        return status, told, answer

    s3._put_object = put_object


def is_token(token: str) -> bool:
    """Whether ministack has told this token."""
    try:
        return base64.b64encode(base64.b64decode(token, validate=True).decode().encode()).decode() == token
    except ValueError:
        return False


def list_in_bounds() -> None:
    """API/API_ListObjectsV2.html: at most 1,000 keys, and only tokens that S3 has told."""

    def bounded(operation):
        def listed(bucket_name, query, *args, **kwargs):
            asked = int(s3._qp(query, "max-keys", "1000") or 1000)
            token = s3._qp(query, "continuation-token", "")
            if token and not is_token(token):
                return s3._error("InvalidArgument", "The continuation token provided is incorrect", 400)
            answer = operation(bucket_name, {**query, "max-keys": [str(min(asked, 1000))]}, *args, **kwargs)
            if asked == 0:
                return (*answer[:2], answer[2].replace(b"<IsTruncated>true<", b"<IsTruncated>false<"))
            return answer

        return listed

    s3._list_objects_v1 = bounded(s3._list_objects_v1)
    s3._list_objects_v2 = bounded(s3._list_objects_v2)
    s3._list_object_versions = bounded(s3._list_object_versions)


def read_parts() -> None:
    """
    RFC 9110 14.2: a range that cannot be read counts as none. API/API_GetObject.html: a part is one of the upload, and an object without
    parts is the first.
    """

    def without_unreadable(headers):
        asked = headers.get("range", "")
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", asked)
        first, last = found.groups() if found else ("", "")
        is_readable = bool(first or last) and not (first and last and int(first) > int(last))
        return headers if not asked or is_readable else {name: value for name, value in headers.items() if name != "range"}

    def has_part(bucket_name, key, query):
        number = s3._qp(query or {}, "partNumber")
        stored = (s3._ensure_bucket(bucket_name) or {}).get("objects", {}).get(key)
        if not number or stored is None or "versionId" in query:
            return True
        return number in [str(part["PartNumber"]) for part in stored.get("parts") or [{"PartNumber": 1}]]

    def reading(operation):
        def read(bucket_name, key, headers, query=None):
            if not has_part(bucket_name, key, query):
                return s3._error("InvalidPartNumber", "The requested partnumber is not satisfiable", 416)
            return operation(bucket_name, key, without_unreadable(headers), query)

        return read

    s3._get_object = reading(s3._get_object)
    s3._head_object = reading(s3._head_object)


def mend() -> None:
    condition_writes()
    complete_uploads_in_order()
    tag_objects()
    tell_checksums()
    list_in_bounds()
    read_parts()
