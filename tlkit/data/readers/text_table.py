"""Read texts and labels from a table: CSV, TSV or JSON lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tlkit.config import Splitting
from tlkit.data import example_info, label_parsing, table_file, table_labels
from tlkit.data.assemble import About, assemble
from tlkit.data.splits import Data
from tlkit.data.splitting import settled
from tlkit.data.table_source import Source
from tlkit.data.text_pairs import Pair
from tlkit.errors import DataError, InputError

PAIR = ("premise", "hypothesis")
TEXT_COLUMNS = ("text", "sentence", "review", "message", "content", "document", "body", "question", "utterance")


def text_table(
    path: str | Path | Source,
    *,
    text_column: str | Sequence[str] | None = None,
    label_column: str | None = None,
    pairs: bool = False,
    seed: int = 0,
    splitting: Splitting | None = None,
    strict: bool = False,
    task: str = "label",
) -> Data:
    """Read a table of texts with a header: .csv, .tsv, .jsonl or .ndjson, also with .gz.

    It is read as UTF-8, as UTF-16 where it has a byte order mark, and else as Windows-1252 or Latin-1, which
    `Data.splitting` then says. A column `split` is honoured where it holds nothing but train, val (or validation,
    valid, dev) and test.

    Args:
        path: the file. In CSV and TSV the separator is whichever of comma, semicolon and tab the header has most of.
        text_column: by default the first that is called text, sentence, review, ... A pair, ("question", "answer") or
            "question,answer", is read as one text: what the two hold, joined by a newline; one of them may be empty.
        label_column: by default the first that is called label, category, class, ..., or as suits the task.
        pairs: read the two columns as two texts, of which neither may be empty, for a model that was built with
            pairs=True. Whatever looks for copies and faults looks at the two as one text.
        seed, splitting, strict: as for `image_folder`; `group_by` names a column.
        task: what the column holds: "label", one class; "tags", any number of names parted by | or ; or a list of them
            in JSON, none where it is empty; "value", a number.

    Returns:
        The data set, whose examples are called "line 2", ...; rows without text, label or number, or with too few or
        too many fields, are in `unreadable`, with the reason.

    Raises:
        DataError: no such file, not a table, a column is missing, the texts are numbers, labels that do not suit the
            task, or nothing to learn from.
        InputError: an option that cannot be.

    Examples:
        >>> rows = [f"chapter {number} is {word},{word}" for number in range(10) for word in ("long", "short")]
        >>> _ = Path("books.csv").write_text("\\n".join(["text,label", *rows]))
        >>> data = tlkit.text_table("books.csv")
        >>> data.labels, sum(map(len, data.splits().values()))
        (('long', 'short'), 20)
    """
    table = table_file.read(path)
    columns = _text_columns(table, text_column, pairs)
    label = table_file.column(table, label_column, table_labels.COLUMNS[label_parsing.known(task)], "label_column")
    splitting = settled(seed, splitting)
    group = None if splitting.group_by is None else table_file.column(table, splitting.group_by, (), "group_by")
    rows, lost, note = table_labels.examples(table, label, group, lambda row: _text(row, columns, pairs), task)
    texts = [row.value for row in rows]
    traits = example_info.look(texts, "text", [f"line {row.line}" for row in rows])
    parts = table_labels.parts(rows, texts, traits, grouped=group is not None)
    info = About("text", str(path), note, tuple(lost), task=task)
    return assemble(parts, info, splitting, strict=strict, labels=[label] if task == "value" else None)


def _text_columns(table: table_file.Table, text_column: str | Sequence[str] | None, pairs: bool) -> list[str]:
    """Return the names of the text columns; raise DataError if they hold numbers."""
    if isinstance(text_column, str) and text_column not in table.columns and "," in text_column:
        text_column = [name.strip() for name in text_column.split(",")]
    names = [text_column] if text_column is None or isinstance(text_column, str) else list(text_column)
    if not 1 <= len(names) <= 2:
        raise InputError(
            f"text_column={text_column!r} names {len(names)} columns; name one, or two that are read as one text"
        )
    if pairs and len(names) != 2:
        raise InputError(f"pairs of texts stand in two columns; name both, such as text_column={PAIR}")
    columns = [table_file.column(table, name, TEXT_COLUMNS, "text_column") for name in names]
    for name in columns:
        if all(_is_number(row.get(name)) for _, row in table.rows):
            raise DataError(
                f"the column {name!r} of {table.path} holds only numbers; name the column with the texts: text_column= "
                f"one of {', '.join(table.columns)}"
            )
    return columns


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    except OverflowError:  # a whole number of JSON that no float holds
        return True
    return True


def _text(row: dict[str, Any], columns: Sequence[str], pairs: bool) -> tuple[str, str]:
    """Return the text or pair of a row, and the reason if it has none."""
    where = " and ".join(map(repr, columns))
    where = f"the column {where}" if len(columns) == 1 else f"the columns {where}"
    values = [row.get(column) for column in columns]
    if len(columns) > 1 and not pairs:
        values = ["" if value is None else value for value in values]
    if not all(isinstance(value, str) for value in values):
        return "", f"no text in {where}"
    full = [value for value in values if value.strip()]
    if len(full) < (2 if pairs else 1):
        return "", f"an empty text in {where}"
    text = Pair(*full) if pairs else "\n".join(full)
    wrong = table_labels.unfit(text)
    return text, f"{wrong} in {where}" if wrong else ""
