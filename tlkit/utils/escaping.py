"""Texts of strangers, such as labels, names of files and notes, made harmless for where they are shown.

A terminal obeys control characters, a spreadsheet computes cells that begin like a formula, a page in Markdown makes
elements of punctuation, and YAML and JSON end where somebody's quote ends. Pages in HTML have `html_format`.
"""

from __future__ import annotations

import json
import re

# what moves a terminal's cursor or its colours, breaks or turns around a line, or is half a character
_ACTIVE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_ACTIVE_BUT_LAYOUT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# what YAML reads as the end of a line or takes in no string, besides those
_NOT_YAML = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]")
# what begins a formula, in any width, with what spreadsheets pass over before it; and our own mark
_FORMULA = re.compile("'*[\\s\x00-\x1f\u200b\ufeff]*[=+\\-@\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|inf|nan)")
_MARK = "'"
_ENTITIES = {char: f"&#{ord(char)};" for char in "$|&"}  # a backslash does not keep these from every renderer
_PUNCTUATION = set("\\`*_{}[]<>()#!~^=@")


# === Terminals ===


def line(text: str) -> str:
    """Write a text in one line that does nothing to a terminal: control characters, ends of lines, changes of
    direction and half surrogates become escapes such as \\x1b. Other letters and signs stay."""
    return _ACTIVE.sub(_escape, text)


def lines(text: str) -> str:
    """Make a text of several lines, laid out by tlkit itself, do nothing else to a terminal: as `line`, but for line
    feeds and tabs. What others wrote in it must have gone through `line`, or it might begin a line of its own."""
    return _ACTIVE_BUT_LAYOUT.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return ascii(found[0])[1:-1]


# === JSON and YAML ===


def json_line(value: object, *, plain: bool = False) -> str:
    """Write a value as one line of JSON that does nothing to a terminal.

    Args:
        value: plain JSON values; numbers must be finite.
        plain: write in ASCII alone.

    Raises:
        ValueError: a number is infinite or not a number, which JSON cannot say.
    """
    text = json.dumps(value, ensure_ascii=plain, allow_nan=False)
    return _ACTIVE.sub(lambda found: json.dumps(found[0])[1:-1], text)


def yaml(text: str) -> str:
    """Write a text as a quoted string of YAML, in one line, that is read as exactly this text."""
    return _NOT_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


# === Spreadsheets ===


def cell(text: str) -> str:
    """Write a text into a table so that no spreadsheet takes it for a formula: with an apostrophe before it where it
    begins with = + - or @, also after blanks or apostrophes. Numbers and all other texts stay; `from_cell` undoes it.
    """
    return _MARK + text if _formula(text) else text


def from_cell(text: str) -> str:
    """Return the text that `cell` was given; a cell of a table that was written without it is returned as it is."""
    return text[1:] if text.startswith(_MARK) and _formula(text[1:]) else text


def _formula(text: str) -> bool:
    return _FORMULA.match(text) is not None and _NUMBER.fullmatch(text) is None


# === Markdown ===


def markdown(text: str) -> str:
    """Write a text into one line of Markdown that shows it as it is: no element, link, formula or entity is made of it.

    Blanks at its ends, which would make code or a break of the line, are left out.
    """
    text = line(text).strip()
    text = "".join(_ENTITIES.get(char, f"\\{char}" if char in _PUNCTUATION else char) for char in text)
    text = re.sub(r"^([0-9]*)([-+]|\.(?=\s|$))", r"\1\\\2", text)  # an item of a list, or a line across the page
    text = re.sub(r":(?=\S)", r"\\:", text)  # an address, or a picture by its name
    return re.sub(r"(www)\.", r"\1\\.", text, flags=re.IGNORECASE)
