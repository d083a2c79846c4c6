"""BIO tags of words, such as "B-PER", "I-PER" and "O": their schemes, and the entities they mark."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tlkit.errors import DataError

OUTSIDE = "O"
TAG = re.compile(r"([BIESLUM])-(\S+)")
SCHEMES = {
    "BIO": frozenset("BI"),
    "IOBES": frozenset("BIES"),
    "BMES": frozenset("BMES"),
    "BILOU": frozenset("BILU"),
}
CLOSING = frozenset("ESLU")  # the last or only word of an entity
ALONE = frozenset("SU")  # the only one


def parted(tag: str) -> tuple[str, str]:
    """Return prefix and type of a tag, such as "B" and "PER" for "B-PER"; both are "" for "O" and for invalid tags."""
    match = TAG.fullmatch(tag)
    return (match[1], match[2]) if match else ("", "")


def is_tag(text: str) -> bool:
    """Return whether a text is a tag in any of the schemes."""
    return text == OUTSIDE or TAG.fullmatch(text) is not None


def spans(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return the entities that BIO tags mark: type, number of the first word, number after the last.

    An I- that follows no tag of its type begins an entity, as the CoNLL shared tasks score it.
    """
    found: list[tuple[str, int, int]] = []
    before = ""
    for number, tag in enumerate(tags):
        prefix, kind = parted(tag)
        if prefix == "I" and kind == before:
            found[-1] = (kind, found[-1][1], number + 1)
        elif prefix:
            found.append((kind, number, number + 1))
        before = kind
    return found


def labels(kinds: Iterable[str]) -> tuple[str, ...]:
    """Return the tags for types of entities: "O", and B- and I- for each type."""
    return (OUTSIDE, *(f"{prefix}-{kind}" for kind in kinds for prefix in "BI"))


def fault(names: Sequence[str]) -> str:
    """Return why names are not BIO tags ("O" first, and a B- for each I-); "" if they are."""
    if not names or names[0] != OUTSIDE:
        return f"the first tag must be O, not {names[0] if names else 'missing'!r}"
    for name in names[1:]:
        prefix, kind = parted(name)
        if prefix not in ("B", "I"):
            return f"{name!r} is no BIO tag, such as B-PER or I-PER"
        if prefix == "I" and f"B-{kind}" not in names:
            return f"{name!r} stands without B-{kind}"
    return "" if len(names) > 1 else "there is no tag but O"


# === Other schemes ===


def scheme(sentences: Iterable[Sequence[str]], source: str) -> str:
    """Return the scheme of tags: "BIO" (IOB2), "IOB1", "IOBES", "BMES" or "BILOU".

    Raises:
        DataError: tags of no scheme, of several, or none but O.
    """
    prefixes: set[str] = set()
    begun = went_on = 0  # B- where no entity of its type ends before it, and I- there
    for tags in sentences:
        before = ""
        for tag in tags:
            prefix, kind = parted(tag)
            if not is_tag(tag):
                raise DataError(
                    f"{source} has the tag {tag!r}, which is of no scheme that is known; write BIO: O, B-PER, I-PER"
                )
            prefixes.add(prefix)
            begun += prefix == "B" and kind != before
            went_on += prefix == "I" and kind != before
            before = kind
    prefixes.discard("")
    if not prefixes:
        raise DataError(f"{source} has no tag but O: there is no entity to learn; check that tags are the last column")
    fitting = [name for name, known in SCHEMES.items() if prefixes <= known]
    if not fitting:
        told = ", ".join(f"{prefix}-" for prefix in sorted(prefixes))
        raise DataError(f"{source} mixes tags of several schemes ({told}); write all of it in BIO: O, B-PER, I-PER")
    # in IOB1 an entity begins with I-, and with B- only where another of its type ends right before it
    return "IOB1" if fitting[0] == "BIO" and went_on and not begun else fitting[0]


def converted(tags: Sequence[str]) -> tuple[list[str], int]:
    """Return tags of any one scheme as BIO, and how many words that go on with an entity follow none of its type.

    Such a word begins an entity.
    """
    found, orphans, open_kind = [], 0, ""
    for tag in tags:
        prefix, kind = parted(tag)
        begins = prefix == "B" or prefix in ALONE
        orphan = bool(prefix) and not begins and kind != open_kind
        orphans += orphan
        found.append(f"{'B' if begins or orphan else 'I'}-{kind}" if prefix else OUTSIDE)
        open_kind = "" if prefix in CLOSING else kind
    return found, orphans
