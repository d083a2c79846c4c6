"""Read dialogues and summaries for text generation, or plain texts to continue."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tlkit.config import Splitting
from tlkit.data import example_info, table_file, table_labels
from tlkit.data.assemble import About, Part, assemble
from tlkit.data.readers import tfds
from tlkit.data.splits import SPLIT_NAMES, Data, Split, joined
from tlkit.data.splitting import settled
from tlkit.data.text_pairs import Pair
from tlkit.errors import DataError
from tlkit.utils import paths, regular_files

PROMPTS = ("prompt", "question", "instruction", "input", "user", "human", "context", "query", "message")
REPLIES = ("response", "reply", "answer", "completion", "output", "assistant", "bot", "target")
DOCUMENTS = ("document", "article", "text", "body", "content", "dialogue", "source")
SUMMARIES = ("summary", "abstract", "tldr", "highlights", "headline", "target", "title")
TASK = "tlkit: task"  # an added column, since the reader of tables needs a column of labels


def dialogues(
    path: str | Path,
    *,
    prompt_column: str | None = None,
    reply_column: str | None = None,
    seed: int = 0,
    splitting: Splitting | None = None,
    strict: bool = False,
) -> Data:
    """Read prompts and replies from a table, or plain texts, which a model learns to continue.

    Args:
        path: a table (.csv, .tsv, .jsonl, .ndjson, also with .gz); a folder with tables called train, val (or dev, ...)
            and test; "tfds:NAME" for a data set of TensorFlow Datasets; a folder of .txt files, each a text; or a .txt
            file, whose texts are parted by blank lines.
        prompt_column: by default the first that is called prompt, question, instruction, ...
        reply_column: by default the first that is called response, reply, answer, ...
        seed, splitting, strict: as for `text_table`.

    Returns:
        The data set: pairs of texts, or texts, for a model of `tlkit.generator`. Rows that lack a text are in
        `unreadable`.

    Raises:
        DataError: no such file, no such column, or nothing to learn from.
    """
    source = Path(path)
    if source.suffix.lower() == ".txt" or (os.path.isdir(source) and any(source.glob("*.txt"))):
        return _plain(source, settled(seed, splitting), strict)
    columns = (prompt_column, PROMPTS, "prompt_column"), (reply_column, REPLIES, "reply_column")
    return _pairs(source, columns, "reply", settled(seed, splitting), strict)


def summaries(
    path: str | Path,
    *,
    document_column: str | None = None,
    summary_column: str | None = None,
    seed: int = 0,
    splitting: Splitting | None = None,
    strict: bool = False,
) -> Data:
    """Read documents and their summaries from a table, or from a folder with tables called train, val and test.

    Args:
        path: as for `dialogues`.
        document_column: by default the first that is called document, article, text, ...
        summary_column: by default the first that is called summary, abstract, tldr, ...
        seed, splitting, strict: as for `text_table`.

    Returns:
        The data set, for a model of `tlkit.summarizer`.

    Raises:
        DataError: no such file, no such column, or nothing to learn from.
    """
    columns = (document_column, DOCUMENTS, "document_column"), (summary_column, SUMMARIES, "summary_column")
    return _pairs(Path(path), columns, "summary", settled(seed, splitting), strict)


def _pairs(
    path: Path, columns: Sequence[tuple[str | None, Sequence[str], str]], task: str, splitting: Splitting, strict: bool
) -> Data:
    """Read the two columns of one table or of several."""
    parts_by_split: dict[str, list[Part]] = {}
    lost: list[tuple[str, str]] = []
    notes: list[str] = []
    for split, table in _tables(path).items():
        names = [table_file.column(table, *column) for column in columns]
        group = None if splitting.group_by is None else table_file.column(table, splitting.group_by, (), "group_by")
        table = replace(table, rows=[(line, {**row, TASK: task}) for line, row in table.rows])
        rows, broken, note = table_labels.examples(table, TASK, group, lambda row, names=names: _pair(row, names))
        called = [f"{split} line {row.line}".strip() for row in rows]
        items = [row.value for row in rows]
        for side, part in table_labels.parts(
            rows, items, example_info.look(items, "text", called), grouped=bool(group)
        ).items():
            parts_by_split.setdefault(split or side, []).append(part)
        lost += [(f"{split} {name}".strip(), reason) for name, reason in broken]
        notes += [note] if note else []
    info = About("text", str(path), " ".join(notes), tuple(lost), task=task)
    return assemble({side: _joined(parts) for side, parts in parts_by_split.items()}, info, splitting, strict=strict)


def _tables(path: Path) -> Mapping[str, table_file.Table]:
    """Read the tables by their splits; the key is "" if a table has a column for them."""
    if str(path).startswith("tfds:"):
        return tfds.tables(str(path).removeprefix("tfds:"))
    if not os.path.isdir(path):
        return {"": table_file.read(path)}
    files = [file for file in sorted(path.iterdir()) if table_file.is_table(file.name)]
    tables = {SPLIT_NAMES.get(file.name.split(".")[0].lower(), ""): file for file in files}
    if "train" not in tables:
        raise DataError(f"{path} holds no table called train; name a table, or call them train, val and test")
    return {split: table_file.read(file) for split, file in tables.items() if split}


def _pair(row: dict[str, Any], names: Sequence[str]) -> tuple[str, str]:
    """Return the two texts of a row, and the reason if it has none."""
    for name in names:
        value = row.get(name)
        if not isinstance(value, str) or not value.strip():
            return "", f"no text in the column {name!r}"
        if wrong := table_labels.unfit(value):
            return "", f"{wrong} in the column {name!r}"
    return Pair(row[names[0]].strip(), row[names[1]].strip()), ""


def _joined(parts: Sequence[Part]) -> Part:
    import numpy as np

    if len(parts) == 1:
        return parts[0]
    whole = joined([Split(part.items, np.zeros(len(part.items), np.int64), part.traits) for part in parts])
    return Part(whole.items, [label for part in parts for label in part.labels], whole.traits)


def _plain(path: Path, splitting: Splitting, strict: bool) -> Data:
    """Read texts without prompts."""
    paths.check_name(str(path))
    broken = []
    if os.path.isdir(path):
        named = []
        for file in sorted(path.glob("*.txt")):
            try:
                paths.check_name(file.name)
                named.append((file.name, _decoded(file)))
            except DataError as error:
                broken.append((regular_files.shown(file.name), str(error)))
    else:
        if not os.path.exists(path):
            raise DataError(f"there is no file {path}; check it")
        texts = [text for text in _decoded(path).replace("\r\n", "\n").split("\n\n") if text.strip()]
        named = [(f"text {number}", text) for number, text in enumerate(texts, 1)]
    usable = [(name, text.strip()) for name, text in named if text.strip() and not table_labels.unfit(text)]
    lost = broken + [
        (name, table_labels.unfit(text) or "an empty text")
        for name, text in named
        if (name, text.strip()) not in usable
    ]
    items = [text for _, text in usable]
    part = Part(items, ["reply"] * len(items), example_info.look(items, "text", [name for name, _ in usable]))
    info = About("text", str(path), unreadable=tuple(lost), task="reply")
    return assemble({"train": part}, info, splitting, strict=strict)


def _decoded(path: Path) -> str:
    try:
        data = regular_files.content(path, most=regular_files.MAX_TABLE_BYTES)
    except OSError as error:
        raise DataError(
            f"cannot read {path}: {regular_files.why(error)}; check the path and its permissions"
        ) from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")
