"""CSV as spreadsheets and networks write it: which encoding, which separator, and one record on each line."""

import csv
import re
from collections.abc import Iterator
from typing import Final

from tnc.core.errors import InvalidError

_LINE_END: Final = re.compile(r"\r\n|\n|\r")
_SEPARATORS: Final = ",;\t"
# What Excel writes, and reads, before the header. In quotes in files that another program saved again.
_SEP_LINE: Final = re.compile(r'"?sep=([,;\t|])"?', re.IGNORECASE)


def decode_csv(data: bytes, where: str) -> str:
    """The text of a file in UTF-8, with or without a byte order mark, or in UTF-16 with one.

    Raises InvalidError, with `where` as the name of the file, for any other encoding.
    """
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise InvalidError(f"{where} is not text in UTF-8 or UTF-16: save it as CSV UTF-8.") from None


def csv_records(text: str) -> Iterator[tuple[int, list[str] | str]]:
    """The records that are not empty: the number of the line, and its cells or the reason why it has none.

    A line end always ends a record, in quotes too: the values that tnc reads have no line ends, and so a stray quote
    costs its own line and not all lines up to the next quote. Separated by comma, semicolon or tab, whichever the
    header has most of, or as a first line like `sep=;` says.
    """
    lines = _LINE_END.split(text.removeprefix("\ufeff"))
    separator = _SEP_LINE.fullmatch(lines[0].strip(" "))
    first = 1 if separator else 0
    head = next((line for line in lines[first:] if line.strip()), "")
    delimiter = separator[1] if separator else max(_SEPARATORS, key=head.count)
    for number, line in enumerate(lines[first:], start=first + 1):
        try:
            cells = next(csv.reader([line], delimiter=delimiter, strict=True), [])
        except csv.Error as error:
            yield number, _reason(line, error)
            continue
        if any(cell.strip() for cell in cells):
            yield number, cells


def _reason(line: str, error: csv.Error) -> str:
    if line.count('"') % 2:
        return 'a quote without its partner: remove it, or write "" for a quote within a quoted value'
    return f"not readable as CSV: {error}"
