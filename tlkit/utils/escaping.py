"""Escape text from outside, such as labels and file names, for terminals, spreadsheets, Markdown, YAML and JSON.

A terminal obeys control characters, a spreadsheet computes cells that begin like a formula, a page in Markdown makes
elements of punctuation, and YAML and JSON end where somebody's quote ends. Pages in HTML have `html_format`.
"""

from __future__ import annotations

import json
import re

# characters that move a terminal's cursor, change colours, break or reverse a line, or are half a surrogate pair
_ACTIVE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_ACTIVE_BUT_LAYOUT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# further characters that YAML reads as the end of a line or does not allow in a string
_NOT_YAML = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]")
# the beginning of a formula, in any width, with what spreadsheets skip before it; and our own mark
_FORMULA = re.compile("'*[\\s\x00-\x1f\u200b\ufeff]*[=+\\-@\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|inf|nan)")
_MARK = "'"
_ENTITIES = {char: f"&#{ord(char)};" for char in "$|&"}  # a backslash does not keep these from every renderer
_PUNCTUATION = set("\\`*_{}[]<>()#!~^=@")


# === Terminals ===


def line(text: str) -> str:
    """Return a text as one line that is safe to print on a terminal.

    Control characters, line ends, changes of direction and half surrogates become escapes such as \\x1b.
    """
    return _ACTIVE.sub(_escape, text)


def lines(text: str) -> str:
    """Return a text of several lines that is safe to print: as `line`, but line feeds and tabs stay.

    Text from outside within it must have gone through `line`, or it might start a new line.
    """
    return _ACTIVE_BUT_LAYOUT.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return ascii(match[0])[1:-1]


# === JSON and YAML ===


def json_line(value: object, *, plain: bool = False) -> str:
    """Return a value as one line of JSON that is safe to print on a terminal.

    Args:
        value: a JSON value; numbers must be finite.
        plain: use ASCII only.

    Raises:
        ValueError: a number is infinite or NaN, which JSON cannot hold.
    """
    text = json.dumps(value, ensure_ascii=plain, allow_nan=False)
    return _ACTIVE.sub(lambda match: json.dumps(match[0])[1:-1], text)


def yaml(text: str) -> str:
    """Return a text as a quoted YAML string in one line, which YAML reads as exactly this text."""
    return _NOT_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))


# === Spreadsheets ===


def cell(text: str) -> str:
    """Return a text for a table cell that no spreadsheet takes for a formula.

    An apostrophe is put before a text that begins with = + - or @, also after blanks or apostrophes. Numbers and all
    other texts stay; `from_cell` undoes it.
    """
    return _MARK + text if _formula(text) else text


def from_cell(text: str) -> str:
    """Undo `cell`; a cell that was written without it is returned unchanged."""
    return text[1:] if text.startswith(_MARK) and _formula(text[1:]) else text


def _formula(text: str) -> bool:
    return _FORMULA.match(text) is not None and _NUMBER.fullmatch(text) is None


# === Markdown ===


def markdown(text: str) -> str:
    """Return a text as one line of Markdown that shows it literally, without markup, links, formulas or entities.

    Leading and trailing blanks, which would make code or a line break, are removed.
    """
    text = line(text).strip()
    text = "".join(_ENTITIES.get(char, f"\\{char}" if char in _PUNCTUATION else char) for char in text)
    text = re.sub(r"^([0-9]*)([-+]|\.(?=\s|$))", r"\1\\\2", text)  # a list item, or a rule across the page
    text = re.sub(r":(?=\S)", r"\\:", text)  # an address, or an image by its name
    return re.sub(r"(www)\.", r"\1\\.", text, flags=re.IGNORECASE)
