"""Pretraining on rows without labels, its encoder under a head in two phases, and the exported model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tlkit
from tlkit.config import Compute, Phase
from tlkit.errors import DataError, InputError, WeightsError
from tlkit.features import frontier
from tlkit.models import classifier
from tlkit.models.tabular import autoencoder
from tlkit.models.tabular.autoencoder import Pretraining

HOW = Pretraining(width=16, epochs=12, batch_size=32)
PHASES = (Phase("head", 30, 2e-2, 0), Phase("top", 2, 1e-3, 1))


def write(path: Path, rows: int = 400, labelled: int = 120) -> Path:
    """Write payments whose last two numbers follow from the first, except in frauds, one in eight."""
    rng = np.random.default_rng(0)
    lines = ["amount,fee,ratio,card,fraud"]
    for number in range(rows):
        amount, fraud = rng.normal(100, 20), number % 8 == 0
        fee = amount * 0.1 + rng.normal(0, 0.1) + 8 * fraud
        label = ("yes" if fraud else "no") if number < labelled else ""
        gap = "?" if number % 17 == 0 else f"{amount / 3 + rng.normal(0, 0.5) - 9 * fraud:.4f}"
        lines.append(f"{amount:.4f},{fee:.4f},{gap},{('debit', 'credit')[number % 2]},{label}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tlkit.Data:
    return tlkit.table(write(tmp_path_factory.mktemp("table") / "payments.csv"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("encoder") / "kept"


@pytest.fixture(scope="module")
def row(data: tlkit.Data, folder: Path) -> Any:
    return tlkit.pretrain_autoencoder(data, folder, how=HOW, progress=False)


@pytest.fixture(scope="module")
def trained(data: tlkit.Data, row: Any) -> tuple[Any, tlkit.History]:
    import keras

    keras.utils.set_random_seed(0)
    clf = tlkit.classifier(row, "vector_dense", data.target)
    return clf, tlkit.fit(clf, data, phases=PHASES, patience=30, progress=False)


def test_the_reconstruction_gets_better_and_the_best_is_kept(row: Any, folder: Path, data: tlkit.Data) -> None:
    told = json.loads((folder / "autoencoder.json").read_text())
    assert told["losses"][-1] < 0.7 * told["losses"][0]
    assert told["rows"] == len(data.train) + len(data.unlabeled)


def test_the_encoder_is_that_of_the_autoencoder(row: Any, data: tlkit.Data) -> None:
    import keras

    kept = keras.saving.load_model(row.weights.path)
    body = classifier.pieces(tlkit.classifier(row, "vector_dense", data.target))[1]
    for name in row.blocks:
        assert np.array_equal(kept.get_layer(name).kernel, body.get_layer(name).kernel)
    other = classifier.pieces(tlkit.classifier(row, "vector_dense", data.target, weights=None))[1]
    assert not np.array_equal(kept.get_layer("encoder_1").kernel, other.get_layer("encoder_1").kernel)


def test_a_kept_one_is_read_again(row: Any, folder: Path) -> None:
    assert tlkit.autoencoder(folder) == row


def test_strange_rows_are_reconstructed_badly(row: Any, data: tlkit.Data) -> None:
    errors = tlkit.reconstruction_errors(row, data.test.items)
    assert errors.shape == (len(data.test),) and errors.dtype == np.float64
    assert errors[data.test.labels == 1].mean() > 1.3 * errors[data.test.labels == 0].mean()
    cells = tlkit.reconstruction_errors(row, ["100,10,33.3,debit", "100,90,33.3,debit"])
    assert cells[1] > 3 * cells[0]


def test_both_phases_train_and_only_what_is_open_moves(trained: tuple, row: Any, data: tlkit.Data) -> None:
    clf, history = trained
    assert [phase["name"] for phase in history.phases] == ["head", "top"]
    assert history.epochs[-1]["val_loss"] < history.epochs[0]["val_loss"]
    before = classifier.pieces(tlkit.classifier(row, "vector_dense", data.target))[1]
    moved = [n for n in row.blocks if not np.array_equal(before.get_layer(n).kernel, _body(clf).get_layer(n).kernel)]
    assert moved == ["encoder_3"]


def _body(clf: Any) -> Any:
    return classifier.pieces(clf)[1]


def test_blocks_open_from_the_top_and_the_pieces_compose(row: Any, data: tlkit.Data) -> None:
    clf = tlkit.classifier(row, "vector_dense", data.target)
    rows = data.test.items
    whole = clf(rows, training=False).numpy()
    opened = []
    for blocks in (0, 1, 2, 3, "all"):
        tlkit.unfreeze(clf, blocks)
        opened.append({variable.path for variable in _body(clf).trainable_variables})
        cut = frontier.find(clf)
        trunk, tail = frontier.segment(clf, None, cut), frontier.segment(clf, cut, None)
        assert np.array_equal(tail(trunk(rows, training=False), training=False), whole)
    assert opened[0] < opened[1] < opened[2] < opened[3] == opened[4]
    assert not np.allclose(np.roll(whole, 1, axis=0), whole, atol=1e-3)


def test_an_exported_model_answers_cells_as_they_are_written(trained: tuple, data: tlkit.Data, tmp_path: Path) -> None:
    import tensorflow as tf

    clf, history = trained
    report = tlkit.evaluate(clf, data.test, history=history)
    made = tlkit.export(clf, tmp_path / "out", report=report)
    assert report.rare["average_precision"] > 0.5 and made.facts["metrics"]["average_precision"] > 0.5
    assert made.facts["parity"]["real"] and made.facts["parity"]["spread"] > 0.1
    expected = clf(data.test.items, training=False).numpy()
    found = [dict(answer.top_k)["yes"] for answer in made.predict(data.test.items)]
    assert np.allclose(found, expected[:, 1], atol=1e-5)
    mine = {"amount": 100, "fee": 14, "ratio": None, "card": "credit"}
    answers = made.predict([mine, "100,14,?,credit", [100, 14, None, "credit"], json.dumps(mine)])
    assert len({answer.probability for answer in answers}) == 1 == len(made.predict(mine))
    served = made.served.signatures["serving_default"](tf.constant([["100", "14", "", "credit"]]))
    assert served["top_k_probabilities"].numpy()[0, 0] == pytest.approx(answers[0].probability, abs=1e-6)
    assert made.served.signatures["embed"](tf.constant([["1", "2", "", "debit"]]))["embedding"].shape[0] == 1
    with pytest.raises(InputError, match="row 0 lacks the column 'fee'"):
        made.predict({"amount": 3})
    again = made.model(data.test.items, training=False).numpy()
    assert np.array_equal(again, expected) and tlkit.load(tmp_path / "out").input == clf.spec.input


# === What is refused ===


def test_data_and_settings_that_do_not_suit(data: tlkit.Data, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not on texts"):
        tlkit.pretrain_autoencoder(tlkit.arrays([f"text {n}" for n in range(18)], [0, 1] * 9), tmp_path)
    with pytest.raises(InputError, match="0 < corruption < 1"):
        tlkit.pretrain_autoencoder(data, tmp_path, how=Pretraining(corruption=1.0))
    few = tlkit.table(write(tmp_path / "few.csv", 24, 24))
    with pytest.raises(DataError, match="rows to pretrain on; at least 20"):
        tlkit.pretrain_autoencoder(few, tmp_path)


def test_weights_that_are_gone_damaged_or_of_another_table(row: Any, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="holds no autoencoder"):
        tlkit.autoencoder(tmp_path)
    (tmp_path / "autoencoder.json").write_text('{"input": 3}')
    with pytest.raises(WeightsError, match=r"autoencoder\.json is damaged"):
        tlkit.autoencoder(tmp_path)
    (tmp_path / "autoencoder.json").write_bytes((folder / "autoencoder.json").read_bytes())
    with pytest.raises(WeightsError, match="no weights at"):
        tlkit.classifier(tlkit.autoencoder(tmp_path), "vector_dense", 2)
    (tmp_path / "autoencoder.keras").write_bytes(b"nonsense")
    with pytest.raises(WeightsError, match="is no autoencoder that can be read"):
        tlkit.classifier(tlkit.autoencoder(tmp_path), "vector_dense", 2)
    wide = autoencoder.encoder(size=5, width=8)
    with pytest.raises(WeightsError, match="does not fit this table"):
        autoencoder.load_encoder(wide, row.weights.path)
    with pytest.raises(InputError, match="no pretrained autoencoder"):
        tlkit.reconstruction_errors(classifier.table()["autoencoder"], [])


def test_the_cache_keeps_what_was_trained(data: tlkit.Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path))
    how = Pretraining(width=4, epochs=1)
    first = tlkit.pretrain_autoencoder(data, how=how, progress=False)
    monkeypatch.setattr(autoencoder, "_trained", None)  # a second training would fail
    assert tlkit.pretrain_autoencoder(data, how=how, progress=False) == first
    with pytest.raises(TypeError):
        tlkit.pretrain_autoencoder(data, how=Pretraining(width=5, epochs=1), progress=False)


def test_data_with_other_columns_are_refused(row: Any, data: tlkit.Data, tmp_path: Path) -> None:
    text = write(tmp_path / "a.csv").read_text().replace("fee", "charge")
    (tmp_path / "a.csv").write_text(text)
    clf = tlkit.classifier(row, "vector_dense", data.target)
    with pytest.raises(InputError, match="the columns of the data are not those of the classifier"):
        tlkit.fit(clf, tlkit.table(tmp_path / "a.csv"), phases=PHASES, compute=Compute())


# === A run ===


def test_a_run_pretrains_trains_and_says_what_no_label_would_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TLKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(autoencoder, "Pretraining", lambda: HOW)
    job = tlkit.Job(data=str(write(tmp_path / "a.csv")), out=str(tmp_path / "out"), kind="table", epochs=(2, 1))
    run = tlkit.run_job(job)
    assert run.ledger["settings"]["backbone"] == "autoencoder" and "280 without a label" in capsys.readouterr().out
    assert any("the errors of reconstruction alone reach" in note for note in run.report.notes)
    assert "average_precision" in run.artifact.facts["metrics"]
    card = (tmp_path / "out" / "README.md").read_text()
    assert "rows of cells as they are written" in card and "cells=tf.constant(rows)" in card
    assert run.artifact.predict("100,90,33.3,debit")[0].label in ("no", "yes")
    assert tlkit.run_job(job, progress=False).already
