"""Reads the records of XML files as lines of JSON, with the same bytes as src/lib/engine/xml.ts writes."""

import codecs
import json
from collections.abc import Iterator
from typing import Any
from xml.parsers import expat

from sluice.description import Blocks, Conversion, Encoding

# The same limits are in src/lib/engine/xml.ts.
DEEPEST = 200
LONGEST_GAP = 64 * 2**20
MOST_OF_RECORD = 16 * 2**20
# The whitespace of XML.
SPACE = " \t\r\n"


class ConversionFailed(Exception):
    """The content of a file cannot become records. `fault` is the reason."""

    def __init__(self, fault: str) -> None:
        super().__init__(fault)
        self.fault = fault


def text_of(blocks: Blocks, encoding: Encoding | None) -> Iterator[str]:
    """The text without its byte order mark, in parts."""
    table = None if encoding is None else encoding.get("table")
    if table is not None:
        characters = dict(enumerate(table))
        for block in blocks:
            yield block.decode("latin-1").translate(characters)
        return
    decoder = codecs.getincrementaldecoder("utf-8" if encoding is None else encoding["name"])("strict")
    is_start = True
    try:
        for block in blocks:
            text = decoder.decode(block)
            if is_start and text:
                is_start = False
                text = text.removeprefix("\ufeff")
            yield text
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise ConversionFailed("not_text") from error


def local_name(name: str) -> str:
    return name[name.find(":") + 1 :]


def length_of(text: str) -> int:
    """The length that JavaScript counts."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def as_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def parser_of() -> Any:
    """A parser that gives whole texts, and refuses declarations of entities."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.ordered_attributes = True

    def doctype(_: str, __: str | None, ___: str | None, has_internal_subset: bool) -> None:
        if has_internal_subset:
            raise ConversionFailed("invalid_document")

    def skipped(_: str, __: bool) -> None:
        raise ConversionFailed("invalid_document")

    parser.StartDoctypeDeclHandler = doctype
    parser.SkippedEntityHandler = skipped
    return parser


def feed(parser: Any, text: str, is_final: bool = False) -> None:
    try:
        parser.Parse(text, is_final)
    except expat.ExpatError as error:
        raise ConversionFailed("invalid_document") from error


class Element:
    """An element of a record while it is read."""

    __slots__ = ("fields", "is_nil", "name", "path", "text")

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        # From the record to the element.
        self.path = path
        # The fields of its attributes, then those of the elements in it.
        self.fields: dict[str, list[str]] = {}
        self.text: list[str] = []
        self.is_nil = False


class Records:
    """Collects the records of a file."""

    def __init__(self, conversion: Conversion) -> None:
        self.record: list[str] = conversion["record"]
        self.lists = set(conversion["lists"])
        self.lines: list[str] = []
        self.above: list[str] = []
        self.open: list[Element] = []
        self.size = 0
        self.gap = 0
        self.has_children = False
        self.found = 0

    def grow(self, by: int) -> None:
        self.size += by
        if self.size > MOST_OF_RECORD:
            raise ConversionFailed("record_too_large")

    def is_record(self) -> bool:
        last = self.above[-len(self.record) :]
        return len(last) == len(self.record) and all(
            element == name or local_name(element) == name for element, name in zip(last, self.record, strict=True)
        )

    def start(self, name: str, attributes: list[str]) -> None:
        self.gap = 0
        if self.above:
            self.has_children = True
        self.above.append(name)
        if len(self.above) > DEEPEST:
            raise ConversionFailed("invalid_document")
        parent = self.open[-1] if self.open else None
        if parent is None and not self.is_record():
            return
        if parent is None:
            self.size = 0
        path = "" if parent is None else f"{parent.path}/{name}" if parent.path else name
        element = Element(name, path)
        self.grow(2 * length_of(name) + 5)
        for key, value in zip(attributes[::2], attributes[1::2], strict=True):
            if key == "xmlns" or key.startswith("xmlns:"):
                continue
            if local_name(key) == "nil" and key != "nil":
                element.is_nil = value in ("true", "1")
                continue
            self.grow(length_of(key) + length_of(value) + 6)
            element.fields[f"@{key}"] = [as_json(value)]
        self.open.append(element)

    def text(self, text: str) -> None:
        if self.open:
            self.grow(length_of(text))
            self.open[-1].text.append(text)

    def end(self, _: str) -> None:
        self.gap = 0
        self.above.pop()
        if not self.open:
            return
        element = self.open.pop()
        value = self.json_of(element)
        if not self.open:
            self.found += 1
            self.lines.append(value if value.startswith("{") else f'{{"#text":{value}}}')
        else:
            self.open[-1].fields.setdefault(element.name, []).append(value)

    def json_of(self, element: Element) -> str:
        text = "".join(element.text)
        trimmed = text.strip(SPACE)
        if not element.fields:
            return "null" if element.is_nil or not trimmed else as_json(text)
        parts = []
        for name, values in element.fields.items():
            is_list = len(values) > 1 or (f"{element.path}/{name}" if element.path else name) in self.lists
            parts.append(f"{as_json(name)}:{'[' + ','.join(values) + ']' if is_list else values[0]}")
        if trimmed:
            parts.append(f'"#text":{as_json(trimmed)}')
        return "{" + ",".join(parts) + "}"


def xml_lines(blocks: Blocks, conversion: Conversion) -> Blocks:
    """The records as lines of JSON."""
    records = Records(conversion)
    parser = parser_of()
    parser.StartElementHandler = records.start
    parser.EndElementHandler = records.end
    parser.CharacterDataHandler = records.text
    is_blank = True
    for text in text_of(blocks, conversion["encoding"]):
        records.gap += len(text)
        is_blank = is_blank and not text.strip(SPACE)
        feed(parser, text)
        if records.gap > LONGEST_GAP:
            raise ConversionFailed("invalid_document")
        if records.lines:
            yield ("\n".join(records.lines) + "\n").encode()
            records.lines = []
    if is_blank:
        return
    feed(parser, "", True)
    if records.lines:
        yield ("\n".join(records.lines) + "\n").encode()
    # A file without records has a fault, unless it is blank or its root element is empty.
    if records.found == 0 and records.has_children:
        raise ConversionFailed("records_missing")
