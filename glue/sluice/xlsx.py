"""Reads a sheet of an Excel file as a CSV, with the same bytes as src/lib/engine/xlsx.ts writes."""

import datetime
import math
import re
from collections.abc import Callable
from typing import Any

from sluice.description import Blocks, Conversion, Member
from sluice.xml_records import ConversionFailed, feed, length_of, local_name, parser_of, text_of

# The same limits are in src/lib/engine/xlsx.ts.
MOST_ROWS = 1_048_576
MOST_COLUMNS = 16_384
LONGEST_TEXT = 2**20
DAY_MS = 86_400_000

NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
DATE = re.compile(r"[0-9TZ:.+-]*")
REFERENCE = re.compile(r"\$?([A-Z]{1,3})\$?[0-9]{1,7}")
FEW_DIGITS = re.compile(r"[0-9]{1,9}")
ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")

# Unpacks a member of the archive.
ReadMember = Callable[[Member], Blocks]


def sheet_lines(read: ReadMember, conversion: Conversion) -> Blocks:
    """The sheet as a CSV (RFC 4180): texts in quotes, everything else without."""
    strings = conversion["strings"]
    rows = Rows([] if strings is None else texts_of(read(strings)), conversion)
    parser = parser_for(rows)
    for text in text_of(read(conversion["sheet"]), None):
        feed(parser, text)
        if rows.lines:
            yield ("\n".join(rows.lines) + "\n").encode()
            rows.lines = []
    feed(parser, "", True)
    if rows.lines:
        yield ("\n".join(rows.lines) + "\n").encode()


def parser_for(handler: Any) -> Any:
    parser = parser_of()

    def doctype(*_: object) -> None:
        raise ConversionFailed("invalid_document")

    parser.StartDoctypeDeclHandler = doctype
    parser.StartElementHandler = handler.start
    parser.EndElementHandler = handler.end
    parser.CharacterDataHandler = handler.text
    return parser


def texts_of(blocks: Blocks) -> list[str]:
    """The shared texts. Of rich text, the parts together; how it is pronounced is left out."""
    shared = Shared()
    parser = parser_for(shared)
    for text in text_of(blocks, None):
        feed(parser, text)
    feed(parser, "", True)
    return shared.texts


class Shared:
    def __init__(self) -> None:
        self.texts: list[str] = []
        self.parts: list[str] | None = None
        self.length = 0
        self.is_text = False
        self.is_spoken = False

    def start(self, name: str, _: list[str]) -> None:
        tag = local_name(name)
        if tag == "si":
            self.parts = []
            self.length = 0
        if tag == "rPh":
            self.is_spoken = True
        self.is_text = tag == "t" and not self.is_spoken

    def text(self, text: str) -> None:
        if self.parts is None or not self.is_text:
            return
        self.parts.append(text)
        self.length += length_of(text)
        if self.length > LONGEST_TEXT:
            raise ConversionFailed("record_too_large")

    def end(self, name: str) -> None:
        tag = local_name(name)
        if tag == "si" and self.parts is not None:
            self.texts.append(unescaped("".join(self.parts)))
            self.parts = None
        if tag == "rPh":
            self.is_spoken = False
        self.is_text = False


class Rows:
    """Collects the rows of a sheet as lines of a CSV."""

    def __init__(self, shared: list[str], conversion: Conversion) -> None:
        self.shared = shared
        self.dates = set(conversion["dates"])
        self.times = set(conversion["times"])
        self.is_1904 = conversion["is1904"]
        self.lines: list[str] = []
        self.is_within = False
        self.row = 0
        self.cells: list[str] | None = None
        self.column = 0
        self.type = ""
        self.style = 0
        self.value: list[str] | None = None
        self.length = 0
        self.is_value = False
        self.is_spoken = False

    def start(self, name: str, written: list[str]) -> None:
        tag = local_name(name)
        if tag == "sheetData":
            self.is_within = True
        if not self.is_within:
            return
        attributes = dict(zip(written[::2], written[1::2], strict=True))
        if tag == "row":
            following = number_of(attributes["r"]) if "r" in attributes else self.row + 1
            if following <= self.row or following > MOST_ROWS:
                raise ConversionFailed("invalid_document")
            # A row that is not there is a blank line.
            self.lines += [""] * (following - self.row - 1)
            self.row = following
            self.cells = []
            self.column = -1
        elif tag == "c":
            at = column_of(attributes["r"]) if "r" in attributes else self.column + 1
            if self.cells is None or at <= self.column or at >= MOST_COLUMNS:
                raise ConversionFailed("invalid_document")
            self.column = at
            self.type = attributes.get("t", "n")
            self.style = number_of(attributes.get("s", "0"))
            self.value = None
        elif tag == "rPh":
            self.is_spoken = True
        self.is_value = (tag == "v" and self.type != "inlineStr") or (
            tag == "t" and self.type == "inlineStr" and not self.is_spoken
        )
        if self.is_value and self.value is None:
            self.value = []
            self.length = 0

    def text(self, text: str) -> None:
        if not self.is_value or self.value is None:
            return
        self.value.append(text)
        self.length += length_of(text)
        if self.length > LONGEST_TEXT:
            raise ConversionFailed("record_too_large")

    def end(self, name: str) -> None:
        tag = local_name(name)
        self.is_value = False
        if tag == "rPh":
            self.is_spoken = False
        elif tag == "sheetData":
            self.is_within = False
        elif tag == "c" and self.cells is not None and self.value is not None:
            written = self.cell_text("".join(self.value))
            if written is None:
                raise ConversionFailed("invalid_document")
            if written:
                self.cells += [""] * (self.column - len(self.cells))
                self.cells.append(written)
        elif tag == "row" and self.cells is not None:
            self.lines.append(",".join(self.cells))
            self.cells = None

    def cell_text(self, value: str) -> str | None:
        """A cell in the CSV; None if it is not valid. An error such as #N/A is a text."""
        if self.type == "s":
            number = number_of(value)
            return quoted(self.shared[number]) if 0 <= number < len(self.shared) else None
        if self.type in ("str", "inlineStr"):
            return quoted(unescaped(value))
        if self.type == "e":
            return quoted(value)
        if self.type == "b":
            return "" if not value else "true" if value in ("1", "true") else "false"
        if self.type == "d":
            return value if DATE.fullmatch(value) else None
        if self.type != "n":
            return None
        if not value:
            return ""
        if not NUMBER.fullmatch(value):
            return None
        amount = float(value)
        if self.style in self.dates:
            text = time_text(amount, self.is_1904, self.style in self.times)
            if text is not None:
                return text
        return number_text(amount)


def number_of(text: str) -> int:
    """A whole number of a few digits; -1 for any other text."""
    return int(text) if FEW_DIGITS.fullmatch(text) else -1


def column_of(reference: str) -> int:
    """The column of a reference such as AB12, from 0; -1 if it is none."""
    found = REFERENCE.fullmatch(reference)
    column = 0
    for letter in found[1] if found else "":
        column = column * 26 + ord(letter) - 64
    return column - 1


def unescaped(text: str) -> str:
    """Excel writes characters that XML does not have as `_x000D_`."""

    def character(found: re.Match[str]) -> str:
        code = int(found[1], 16)
        return found[0] if code == 0 or 0xD800 <= code <= 0xDFFF else chr(code)

    return ESCAPE.sub(character, text) if "_x" in text else text


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if text else ""


def number_text(value: float) -> str | None:
    """A number with the 15 digits that Excel shows, since it stores 1.1 as 1.1000000000000001."""
    if not math.isfinite(value):
        return None
    mantissa, power = f"{value:.14e}".split("e")
    digits = mantissa.replace("-", "").replace(".", "").rstrip("0")
    if not digits:
        return "0"
    sign = "-" if value < 0 else ""
    point = int(power) + 1
    if point < -5 or point > 21:
        return f"{sign}{digits[0]}{'.' + digits[1:] if len(digits) > 1 else ''}e{int(power)}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if len(digits) <= point:
        return sign + digits.ljust(point, "0")
    return f"{sign}{digits[:point]}.{digits[point:]}"


def time_text(value: float, is_1904: bool, has_time: bool) -> str | None:
    """A day, a time of a day, or both; None if there is no such day."""
    scaled = value * DAY_MS + 0.5
    if not 0 <= scaled < 2_958_466 * DAY_MS:
        return None
    days, time = divmod(math.floor(scaled), DAY_MS)
    seconds, rest = divmod(time, 1000)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if rest:
        clock += f".{rest:03}"
    if days == 0 and not is_1904:
        return clock
    if days == 60 and not is_1904:
        return None
    first = -24_107 if is_1904 else -25_568 if days < 60 else -25_569
    # Days of 1904 may lead beyond the last year of a date.
    number = days + first + 719_163
    if number > datetime.date.max.toordinal():
        return None
    day = datetime.date.fromordinal(number).isoformat()
    return f"{day}T{clock}" if time or has_time else day
