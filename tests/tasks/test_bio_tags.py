"""Tags of words: what entities they mean, and the schemes they are written in."""

from __future__ import annotations

import pytest

from tlkit.errors import DataError
from tlkit.tasks import bio_tags


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("", []),
        ("O O", []),
        ("B-A I-A O B-B", [("A", 0, 2), ("B", 3, 4)]),
        ("B-A B-A I-A", [("A", 0, 1), ("A", 1, 3)]),
        ("B-A I-B", [("A", 0, 1), ("B", 1, 2)]),
        ("O I-A I-A", [("A", 1, 3)]),
        ("I-A O I-A", [("A", 0, 1), ("A", 2, 3)]),
        ("B-A-B I-A-B", [("A-B", 0, 2)]),
    ],
)
def test_spans(tags: str, expected: list) -> None:
    assert bio_tags.spans(tags.split()) == expected


@pytest.mark.parametrize(
    ("tags", "scheme", "expected", "orphans"),
    [
        ("B-A I-A O B-A", "BIO", "B-A I-A O B-A", 0),
        ("B-A O I-A I-A I-B", "BIO", "B-A O B-A I-A B-B", 2),
        ("I-A I-A B-A O I-B", "IOB1", "B-A I-A B-A O B-B", 2),
        ("B-A I-A E-A S-B O", "IOBES", "B-A I-A I-A B-B O", 0),
        ("S-A I-A E-A E-A", "IOBES", "B-A B-A I-A B-A", 2),
        ("B-A M-A E-A S-A", "BMES", "B-A I-A I-A B-A", 0),
        ("B-A I-A L-A U-B", "BILOU", "B-A I-A I-A B-B", 0),
    ],
)
def test_schemes_become_bio(tags: str, scheme: str, expected: str, orphans: int) -> None:
    assert bio_tags.scheme([tags.split()], "x.conll") == scheme
    assert bio_tags.converted(tags.split()) == (expected.split(), orphans)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ("NOUN VERB", "x.conll has the tag 'NOUN', which is of no scheme that is known; write BIO"),
        ("B-A i-A", "x.conll has the tag 'i-A'"),
        ("B-A E-A U-A", "x.conll mixes tags of several schemes \\(B-, E-, U-\\); write all of it in BIO"),
        ("O O", "x.conll has no tag but O: there is no entity to learn"),
    ],
)
def test_tags_of_no_scheme(tags: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        bio_tags.scheme([tags.split()], "x.conll")


def test_labels_of_types_have_no_fault() -> None:
    assert (
        bio_tags.labels(["A", "B"]) == ("O", "B-A", "I-A", "B-B", "I-B")
        and bio_tags.fault(bio_tags.labels(["A"])) == ""
    )


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["B-A", "O"], "the first tag must be O, not 'B-A'"),
        (["O"], "there is no tag but O"),
        (["O", "A"], "'A' is no BIO tag"),
        (["O", "S-A"], "'S-A' is no BIO tag"),
        (["O", "B-A", "I-B"], "'I-B' stands without B-B"),
    ],
)
def test_names_that_are_no_bio_tags(names: list[str], message: str) -> None:
    assert bio_tags.fault(names).startswith(message)
