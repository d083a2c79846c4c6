"""The named factories: one signature, the right parts, and a docstring."""

from __future__ import annotations

import inspect

import pytest

import tlkit
from tlkit.models import classifier, factories, heads

NAMES = sorted(factories.FACTORIES)


def test_the_table_holds_every_factory() -> None:
    functions = inspect.getmembers(factories, inspect.isfunction)
    own = {name for name, function in functions if function.__module__ == "tlkit.models.factories"}
    assert own == set(NAMES) == set(tlkit._HOMES["models.factories"])


@pytest.mark.parametrize("name", NAMES)
def test_signature_and_docstring(name: str) -> None:
    factory = factories.FACTORIES[name][0]
    assert factory.__name__ == name and getattr(tlkit, name) is factory
    parameters = inspect.signature(factory).parameters
    assert list(parameters) == ["labels", "size", "weights", "name"]
    assert parameters["labels"].default is inspect.Parameter.empty
    assert [parameters[key].default for key in ("size", "weights", "name")] == [None, "pretrained", None]
    assert all(parameters[key].kind is inspect.Parameter.KEYWORD_ONLY for key in ("size", "weights", "name"))
    assert factory.__doc__.startswith("Build ")


@pytest.mark.parametrize("name", NAMES)
def test_hands_its_parts_to_classifier(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    factory, backbone, head = factories.FACTORIES[name]
    seen = []
    monkeypatch.setattr(factories, "classifier", lambda *parts, **options: seen.append((parts, options)))
    factory(["a", "b"])
    factory(3, size=64, weights=None, name="mine")
    assert seen == [
        ((backbone, head, ["a", "b"]), {"size": None, "weights": "pretrained", "name": None}),
        ((backbone, head, 3), {"size": 64, "weights": None, "name": "mine"}),
    ]
    row = classifier.find_backbone(backbone)
    heads.check_fit(heads.get(head), row.input.features, row.name)


def test_the_name_says_what_it_is() -> None:
    for name, (_, backbone, head) in factories.FACTORIES.items():
        if not name.endswith(("_classifier", "_entities")):
            assert name == f"{backbone}_{head}"


def test_a_factory_gives_a_plain_model() -> None:
    import keras

    clf = tlkit.mobilenet_v2_pool_dense(["cat", "dog"], size=32, weights=None, name="pets")
    assert type(clf) is keras.Model or type(clf).__name__ == "Functional"
    assert clf.name == "pets" and clf.output_shape == (None, 2) and clf.input_shape == (None, 32, 32, 3)
    assert clf.spec.labels == ("cat", "dog")
