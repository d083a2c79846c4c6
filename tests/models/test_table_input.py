"""The input of tables: against arithmetic by hand, in the model and in its served form, and end to end."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tlkit
from tests.helpers.table_rows import COLUMNS, ROWS
from tlkit.artifacts import manifest
from tlkit.config import Reading
from tlkit.errors import InputError
from tlkit.models.tabular.table_input import TABULAR, TableInput


@pytest.fixture(scope="module")
def given() -> TableInput:
    return TableInput.of(COLUMNS, ROWS)


def test_the_model_standardises_fills_and_encodes(given: TableInput) -> None:
    spread = np.sqrt(8 / 3)
    assert given.means[0] == 2 and given.scales == pytest.approx((spread, 1.0, 0.0))
    assert given.gaps == (True, True, False) and given.edges[1:] == ((), ())
    assert given.edges[0] == pytest.approx(np.linspace(0, 4, 9))
    rows = np.array([[4, 1, 99], [np.nan, np.nan, np.nan], [0.75, 0, 5], [-9, 0, 5]], np.float32)
    numbers, bins, codes, holes = np.split(np.asarray(given.pre()(rows)), [1, 9, 11], axis=1)
    assert numbers[:, 0] == pytest.approx([2 / spread, 0, -1.25 / spread, -11 / spread], rel=1e-5)
    assert np.allclose(bins, [[1] * 8, [0] * 8, [1, 0.5, *[0] * 6], [0] * 8], atol=1e-6)
    assert codes.tolist() == [[0, 1], [0, 0], [1, 0], [1, 0]]
    assert holes.tolist() == [[0, 0], [1, 1], [0, 0], [0, 0]]


def test_a_table_without_numbers_or_without_categories() -> None:
    only = TableInput.of(COLUMNS[1:2], ROWS[:, 1:2])
    assert np.asarray(only.pre()(ROWS[:, 1:2])).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]
    plain = TableInput.of(COLUMNS[:1], np.array([[1], [2]], np.float32))
    assert np.asarray(plain.pre()(np.array([[2]], np.float32))).shape == (1, 9)


def test_constant_columns_alone_are_refused() -> None:
    with pytest.raises(InputError, match="every column holds the same"):
        TableInput.of(COLUMNS[2:], ROWS[:, 2:])


def test_rows_with_another_number_of_columns_or_infinity_are_refused(given: TableInput) -> None:
    with pytest.raises(InputError, match="each row has 2 columns, but the model takes 3: amount, city, still"):
        given.rows(ROWS[:, :2])
    with pytest.raises(InputError, match="row 1: the column 'still' is infinite"):
        given.rows(np.array([[0, 0, 0], [0, 0, np.inf]]))
    with pytest.raises(InputError, match="leave size out"):
        given.sized(7)
    assert given.sized(None) is given.sized(3) is given


def test_batches_are_the_rows_in_order(given: TableInput) -> None:
    split = tlkit.Split(ROWS, np.zeros(4, np.int64))
    found = np.concatenate([batch.numpy() for batch in given.batches(split, Reading(batch_size=3))])
    assert np.array_equal(found, ROWS, equal_nan=True)
    some = np.concatenate([batch.numpy() for batch in given.batches(split, Reading(), rows=np.array([2, 0]))])
    assert np.array_equal(some, ROWS[[2, 0]], equal_nan=True)


def test_cells_in_writing_are_read_in_the_graph_as_outside(given: TableInput) -> None:
    import tensorflow as tf

    cells = [["1.5", " Rome", "5"], ["?", "Paris", "NA"], ["-2e3", "Oslo", ""], [" 7 ", "none", "1"]]
    assert np.array_equal(given._parsed(tf.constant(cells)).numpy(), given.rows(cells), equal_nan=True)
    back = given._parsed(tf.constant(given.served(ROWS))).numpy()
    assert np.array_equal(back, ROWS, equal_nan=True)
    with pytest.raises(tf.errors.InvalidArgumentError, match="cheap"):
        given._parsed(tf.constant([["cheap", "Oslo", "5"]]))


def test_the_facts_build_the_same_input(given: TableInput) -> None:
    facts = json.loads(json.dumps({"kind": "table", "resize": "crop", **given.facts()}))
    assert list(manifest._input_faults(facts)) == []
    assert TableInput(**{name: value for name, value in facts.items() if name not in ("kind", "resize")}) == given
    assert next(manifest._input_faults(facts | {"gaps": []})).startswith("its columns, categories")
    assert next(manifest._input_faults(facts | {"code": 1})) == "input.code is not known"


def test_a_row_without_a_table_says_what_to_do() -> None:
    with pytest.raises(InputError, match="knows no table yet"):
        tlkit.classifier("autoencoder", "vector_dense", 2)
    with pytest.raises(InputError, match=r"gives vector; choose one of: vector_dense"):
        tlkit.classifier(TABULAR["autoencoder"], "pool_dense", 2)
