"""The family of errors, and the one for names that are in no table."""

from __future__ import annotations

import inspect

import pytest

from tlkit import errors
from tlkit.errors import InputError, TlkitError, unknown

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, BaseException)]


def test_whatever_is_raised_on_purpose_is_of_one_family() -> None:
    assert {kind.__name__ for kind in ALL if not issubclass(kind, TlkitError)} == {"Interrupted"}
    assert issubclass(errors.Interrupted, KeyboardInterrupt) and not issubclass(errors.Interrupted, Exception)


@pytest.mark.parametrize("kind", ["InputError", "DataError"])
def test_wrong_values_are_value_errors_too(kind: str) -> None:
    assert issubclass(getattr(errors, kind), ValueError)
    assert not issubclass(errors.WeightsError, ValueError)


def test_what_is_wrong_with_a_file_of_weights_is_an_error_of_weights() -> None:
    assert {kind.__name__ for kind in ALL if issubclass(kind, errors.WeightsError)} == {
        "WeightsError",
        "IntegrityError",
        "OfflineError",
    }


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_the_module_lists_every_error(kind: type) -> None:
    assert kind.__name__ in errors.__doc__ and kind.__doc__


@pytest.mark.parametrize(
    ("name", "known", "message"),
    [
        ("vgg61", ("vgg19", "vgg16", "resnet50"), "unknown backbone 'vgg61'; did you mean vgg19, vgg16?"),
        ("zzz", ("b", "a"), "unknown backbone 'zzz'; choose one of: a, b"),
        ("", ("b", "a"), "unknown backbone ''; choose one of: a, b"),
        (5, ("a",), "unknown backbone 5; choose one of: a"),
        ("name3", [f"name{n}" for n in "01245678"], "unknown backbone 'name3'; did you mean name8, name7, name6?"),
    ],
)
def test_a_name_in_no_table_is_answered_with_the_nearest(name: str, known: list[str], message: str) -> None:
    error = unknown("backbone", name, known)
    assert type(error) is InputError and str(error) == message
