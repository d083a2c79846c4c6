"""Read tagged words from CoNLL files and JSON lines, single or as a folder of splits."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tlkit.config import Splitting
from tlkit.data import assemble, example_info, splitting, table_file, table_labels
from tlkit.data.splits import SPLIT_NAMES, Data, Split
from tlkit.data.splitting import settled
from tlkit.errors import DataError
from tlkit.tasks import bio_tags
from tlkit.tasks.entities import NO_WORD, WORD

TAGGED = (".conll", ".bio", ".iob")  # files of tagged words only
SUFFIXES = (*TAGGED, ".txt", ".tsv", ".jsonl", ".ndjson")
SPLITS = {**SPLIT_NAMES, "devel": "val", "testa": "val", "testb": "test"}
TOKEN_COLUMNS, TAG_COLUMNS = ("tokens", "words"), ("tags", "ner_tags", "labels")
DOCUMENT = "-DOCSTART-"
SPACE = "\N{NO-BREAK SPACE}"  # stands for whitespace within a word, which would split it
MAX_ENTITY_TYPES = 1000  # with more, the last column probably holds something else
MAX_NAMES_SHOWN = 5  # in a message


@dataclass(frozen=True)
class Sentence:
    """One text of a file: its name, its words and their tags, and why it cannot be used, or ""."""

    name: str
    words: list[str]
    tags: list[str]
    fault: str = ""


def is_tagged(source: str) -> bool:
    """Return whether a file, or all files of a folder, hold tagged words, judging by names only."""
    if os.path.isdir(source):
        return any(name.lower().endswith(TAGGED) for name in os.listdir(source))
    return source.lower().removesuffix(".gz").endswith(TAGGED)


def tagged_texts(
    path: str | os.PathLike, *, seed: int = 0, splitting: Splitting | None = None, strict: bool = False
) -> Data:
    """Read texts with a tag for every word, which marks names of persons, places, products, ...

    A CoNLL file (.conll, .bio, .iob, .txt, .tsv, also with .gz) has a line for each word, the word first and its tag
    last, separated by tabs, or by spaces where the line has no tab, and an empty line after each text; lines that begin
    with -DOCSTART- or "# " are left out. JSON lines (.jsonl, .ndjson) hold `tokens` and `tags` (or `ner_tags`,
    `labels`), lists of strings of one length. Tags may be in BIO (IOB2), IOB1, IOBES, BMES or BILOU and become BIO. An
    I- that follows no tag of its type begins an entity, so it becomes a B-; `Data.splitting` says how often.

    Args:
        path: a file, whose splits are drawn; or a folder of such files for train, val (validation, valid, dev, devel,
            testa) and test (testb), which their names say: train.conll, wnut.dev.conll, btc.test.
        seed, splitting, strict: as for `image_folder`; texts are drawn by the rarest type of entity that they hold.

    Returns:
        The data set: texts whose words are separated by single spaces, and the number of each word's tag. Texts with a
        line without a tag are in `unreadable`.

    Raises:
        DataError: no such file, no training text, tags of no scheme or of several, no entity in train, or lists that
            are not lists of strings.
    """
    source, splitting = str(path), settled(seed, splitting)
    sentences, notes = _given(source)
    lost = tuple((sentence.name, sentence.fault) for part in sentences.values() for sentence in part if sentence.fault)
    sentences = {split: [sentence for sentence in part if not sentence.fault] for split, part in sentences.items()}
    sentences = {split: part for split, part in sentences.items() if part}
    if "train" not in sentences:
        example = f" ({lost[0][0]}: {lost[0][1]})" if lost else ""
        raise DataError(
            f"{source} holds no text to train on{example}; give lines of word and tag, and a file for train"
        )
    assemble.refuse(source, lost, strict=strict)
    splits, kinds, note = _splits(source, sentences)
    if splitting.group_by is not None:
        splits = {name: _grouped(part, splitting.group_by, source) for name, part in splits.items()}
    val_given = splitting.file is not None or set(splits) == {"train", "val", "test"}
    if splitting.file is not None:
        splits, split_note = assemble.from_file(splits, "text", splitting.file)
    else:
        info = assemble.About("text", source, task="entities")
        splits, split_note = assemble.drawn(splits, info, splitting, by=_rarest)
    absent = _absent(splits["train"], kinds, source)
    note_on_splits = " ".join(filter(None, [split_note, *notes, note, absent]))
    return Data(
        **splits,
        labels=bio_tags.labels(kinds),
        kind="text",
        source=source,
        splitting=note_on_splits,
        unreadable=lost,
        task="entities",
        val_given=val_given,
    )


# === Files ===


def _given(source: str) -> tuple[dict[str, list[Sentence]], list[str]]:
    """Return the texts by split, all of them as "train" if the source has no splits, and notes on the files."""
    if not os.path.isdir(source):
        sentences, note = _read(source, "")
        return {"train": sentences}, [note]
    files: dict[str, str] = {}
    for name in sorted(os.listdir(source)):
        split = _split_of(name)
        if split and split in files:
            raise DataError(f"{source} has two files for {split}, {files[split]} and {name}; keep one")
        if split:
            files[split] = name
    if "train" not in files:
        raise DataError(f"{source} has no file for train; call one train.conll (or {', '.join(SUFFIXES[1:])})")
    read = {split: _read(os.path.join(source, name), f"{name} ") for split, name in files.items()}
    return {split: sentences for split, (sentences, _) in read.items()}, [note for _, note in read.values()]


def _split_of(name: str) -> str:
    """Return the split that a file name contains, as btc.train and ner-dev.conll do, or ""."""
    name = name.lower().removesuffix(".gz")
    parts = re.split(r"[._\-]", name)
    names = {SPLITS[part] for part in parts if part in SPLITS}
    fits = name.endswith(SUFFIXES) or parts[-1] in SPLITS
    return names.pop() if fits and len(names) == 1 else ""


def _read(path: str, prefix: str) -> tuple[list[Sentence], str]:
    if table_file.is_json(path):
        table = table_file.read(path)
        tokens = table_file.column(table, None, TOKEN_COLUMNS, "tokens")
        tags = table_file.column(table, None, TAG_COLUMNS, "tags")
        sentences = [_sentence(f"{prefix}line {line}", row.get(tokens), row.get(tags)) for line, row in table.rows]
        sentences += [Sentence(f"{prefix}{name}", [], [], reason) for name, reason in table.broken]
        return sentences, table.note
    if not path.lower().removesuffix(".gz").endswith(SUFFIXES) and not _split_of(os.path.basename(path)):
        raise DataError(f"{path} is no file of tagged words; call it by one of {', '.join(SUFFIXES)}")
    text, note = table_file.text(path)
    return list(_sentences(text, prefix)), note


def _sentences(text: str, prefix: str) -> Iterator[Sentence]:
    """Yield the texts of a CoNLL file."""
    lines: list[tuple[int, list[str]]] = []
    for number, line in enumerate([*re.split("\r\n|\r|\n", text), ""], 1):
        fields = [field.strip() for field in line.split("\t")] if "\t" in line else line.split()
        if not line.strip() or fields[0] == DOCUMENT:
            if lines:
                yield _of_lines(lines, prefix)
            lines = []
        elif not line.startswith("# ") or "\t" in line or bio_tags.is_tag(fields[-1]):
            lines.append((number, fields))


def _of_lines(lines: Sequence[tuple[int, list[str]]], prefix: str) -> Sentence:
    name = f"{prefix}line {lines[0][0]}"
    if wrong := [number for number, fields in lines if len(fields) < 2 or not fields[0] or not fields[-1]]:
        return Sentence(name, [], [], f"no word and tag in line {wrong[0]}")
    return _checked(name, [fields[0] for _, fields in lines], [fields[-1] for _, fields in lines])


def _sentence(name: str, tokens: Any, tags: Any) -> Sentence:
    """Return the text of a row of JSON lines."""
    for values, column in ((tokens, "tokens"), (tags, "tags")):
        if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
            return Sentence(name, [], [], f"its {column} are no list of strings; write the names of tags, not numbers")
    if len(tokens) != len(tags):
        return Sentence(name, [], [], f"{len(tokens)} tokens and {len(tags)} tags")
    if not all(token.strip() for token in tokens) or not tokens:
        return Sentence(name, [], [], "no tokens, or an empty one")
    return _checked(name, tokens, tags)


def _checked(name: str, words: Sequence[str], tags: Sequence[str]) -> Sentence:
    words = [SPACE.join(WORD.findall(word)) for word in words]
    return Sentence(name, words, list(tags), table_labels.unfit(" ".join(words)))


# === Tags ===


def _splits(source: str, sentences: Mapping[str, list[Sentence]]) -> tuple[dict[str, Split], list[str], str]:
    """Convert the tags of all splits to BIO; return the splits, the types of entities, and a note on the changes."""
    whole = [sentence.tags for part in sentences.values() for sentence in part]
    scheme = bio_tags.scheme(whole, source)
    kinds = sorted({bio_tags.parted(tag)[1] for tags in whole for tag in tags} - {""})
    if len(kinds) > MAX_ENTITY_TYPES:
        raise DataError(
            f"{source} has {len(kinds):,} types of entities, such as {kinds[0]!r}; check that tags are the last column"
        )
    numbers = {tag: number for number, tag in enumerate(bio_tags.labels(kinds))}
    wide, repaired, splits = max(map(len, whole)), 0, {}
    for split, part in sentences.items():
        tags = np.full((len(part), wide), NO_WORD, np.int16)
        for row, sentence in zip(tags, part, strict=True):
            plain, orphans = bio_tags.converted(sentence.tags)
            repaired += orphans
            row[: len(plain)] = [numbers[tag] for tag in plain]
        texts = [" ".join(sentence.words) for sentence in part]
        splits[split] = Split(texts, tags, example_info.look(texts, "text", [sentence.name for sentence in part]))
    changes = [f"The tags were converted from {scheme} to BIO."] if scheme != "BIO" else []
    if repaired:
        why = "as they do in IOB1" if scheme == "IOB1" else "after no tag of their type"
        changes.append(f"Entities that began with an I- {why}, which was made a B-: {repaired:,}.")
    return splits, kinds, " ".join(changes)


def _grouped(split: Split, pattern: str, source: str) -> Split:
    return Split(split.items, split.labels, splitting.grouped(split.seen("text"), pattern, source))


def _rarest(split: Split) -> np.ndarray:
    """Return the type of entity of each text that is the rarest among all texts, from 1; 0 for a text without any."""
    kinds = (np.maximum(split.labels, 0) + 1) // 2  # O, B-a, I-a, B-b, ... -> 0, 1, 1, 2, ...
    present = [np.setdiff1d(row, [0]).tolist() for row in kinds]
    often = Counter(kind for row in present for kind in row)
    return np.array([min(row, key=lambda kind: (often[kind], kind), default=0) for row in present], np.int64)


def _absent(train: Split, kinds: Sequence[str], source: str) -> str:
    """Return a note on the types of entities that train lacks; raise DataError if it has none at all."""
    occurring = set(np.unique(train.labels).tolist())
    missing = [kind for number, kind in enumerate(kinds) if 2 * number + 1 not in occurring]
    if len(missing) == len(kinds):
        raise DataError(f"the train split of {source} has no entity; add texts with some")
    shown = ", ".join([*missing[:MAX_NAMES_SHOWN], *["..."] * (len(missing) > MAX_NAMES_SHOWN)])
    return f"Train has no entity of: {shown}." if missing else ""
