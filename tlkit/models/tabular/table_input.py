"""Table input, and TABULAR, the table of tabular backbones."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.config import Phase, Reading
from tlkit.data import table_columns
from tlkit.data.table_columns import MISSING, Column
from tlkit.errors import InputError
from tlkit.models.backbone import Backbone, Local
from tlkit.utils.lazy import resolve

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from tlkit.data.splits import Split
    from tlkit.models.attribution import Asked, Words
    from tlkit.models.weights import Found

MAX_BINS = 8  # of a column

# === Input ===


@dataclass(frozen=True)
class TableInput:
    """The rows that a backbone takes: float32 (batch, columns), numbers and codes of categories, NaN where missing.

    What brings them near 0 and 1 is part of the model. A number becomes its distance from the mean in standard
    deviations and, for each of at most 8 bins that hold as many rows each, how far it has come through the bin, 0..1: a
    network tells a threshold from that as easily as a tree does. A category becomes a one among zeros. What is missing
    is zeros, and each column that had gaps among the rows it was fitted to tells whether there is one.

    Args:
        columns: their names, in order.
        categories: of each column, the texts with the codes 0, 1, ...; none for numbers.
        means, scales: mean and standard deviation of each column of numbers; a column whose scale is 0 said nothing
            among the rows that this was fitted to, and is not read.
        edges: of each column of numbers, those of its bins, ascending; none where there are fewer than two bins.
        gaps: which columns had missing cells.

    Source:
        Y. Gorishniy et al., On Embeddings for Numerical Features in Tabular Deep Learning, NeurIPS 2022 (the bins).
    """

    columns: tuple[str, ...] = ()
    categories: tuple[tuple[str, ...], ...] = ()
    means: tuple[float, ...] = ()
    scales: tuple[float, ...] = ()
    edges: tuple[tuple[float, ...], ...] = ()
    gaps: tuple[bool, ...] = ()
    kind: str = "table"
    features: tuple[str, ...] = ("vector",)
    ops: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("columns", "means", "scales", "gaps"):  # JSON has lists
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in ("categories", "edges"):
            object.__setattr__(self, name, tuple(map(tuple, getattr(self, name))))

    @classmethod
    def of(cls, table: Sequence[Column], rows: np.ndarray) -> TableInput:
        """Fit the input to rows, float32 (n, columns).

        Raises:
            InputError: every column holds the same in all rows.
        """
        gaps = np.isnan(rows)
        known = np.maximum((~gaps).sum(0), 1)
        wide = np.where(gaps, 0.0, rows.astype(np.float64))
        means = wide.sum(0) / known
        scales = np.sqrt((np.where(gaps, 0.0, wide - means) ** 2).sum(0) / known)
        # a spread that is nothing but rounding is none
        scales = np.where(scales > 1e-7 * np.abs(means), scales, 0.0)
        if not (scales > 0).any() and not (gaps.any(0) & ~gaps.all(0)).any():
            raise InputError("every column holds the same in all rows, so there is nothing to learn from; add columns")
        plain = [bool(column.categories) for column in table]
        means, scales = np.where(plain, 0.0, means), np.where(plain, np.sign(scales), scales)
        cuts = ~np.array(plain) & (scales > 0)
        return cls(
            tuple(column.name for column in table),
            tuple(column.categories for column in table),
            tuple(means.tolist()),
            tuple(scales.tolist()),
            tuple(_edges(cells) if cut else () for cut, cells in zip(cuts, rows.T, strict=True)),
            tuple((gaps.any(0) & ~gaps.all(0)).tolist()),
        )

    @property
    def size(self) -> int:
        """The number of columns."""
        return len(self.columns)

    @property
    def table(self) -> tuple[Column, ...]:
        """The columns."""
        return tuple(Column(*pair) for pair in zip(self.columns, self.categories, strict=True))

    def sized(self, size: int | None) -> TableInput:
        """Return this input; raise InputError where another number of columns is given."""
        if size not in (None, self.size):
            raise InputError(f"size {size!r}: the number of a table's columns follows from the table; leave size out")
        return self

    def paired(self) -> TableInput:
        """Raise an InputError: a row is one example."""
        raise InputError("pairs=True is for texts; a row of a table is one example")

    def tensor(self) -> keras.KerasTensor:
        """Build the symbolic rows (batch, columns)."""
        import keras

        return keras.Input((self.size,), dtype="float32", name="table")

    def pre(self) -> keras.Model:
        """Build what standardises, fills and encodes: rows (batch, columns) -> numbers near 0 (batch, channels)."""
        import keras
        from keras import ops

        raw = keras.Input((self.size,), dtype="float32", name="raw_table")
        used = [index for index, scale in enumerate(self.scales) if scale]
        numbers = [index for index in used if not self.categories[index]]
        pairs = [(index, code) for index in used for code in range(len(self.categories[index]))]
        holes = [index for index, gap in enumerate(self.gaps) if gap]
        parts = []
        if numbers:
            spread = [[self.means[index] for index in numbers], [self.scales[index] ** 2 for index in numbers]]
            layer = keras.layers.Normalization(mean=spread[0], variance=spread[1], name="standardise")
            x = layer(ops.take(raw, numbers, axis=1))
            parts.append(ops.where(ops.isnan(x), ops.zeros_like(x), x))
        bins = [(index, *pair) for index in numbers for pair in itertools.pairwise(self.edges[index])]
        if bins:
            places, lows, highs = zip(*bins, strict=True)
            widths = [(high - low) ** 2 for low, high in zip(lows, highs, strict=True)]
            x = keras.layers.Normalization(mean=lows, variance=widths, name="bins")(ops.take(raw, places, axis=1))
            parts.append(ops.clip(ops.where(ops.isnan(x), ops.zeros_like(x), x), 0.0, 1.0))
        if pairs:
            codes = keras.layers.Rescaling(1.0, [-float(code) for _, code in pairs], name="codes")
            apart = codes(ops.take(raw, [index for index, _ in pairs], axis=1))
            parts.append(ops.cast(ops.equal(apart, ops.zeros_like(apart)), "float32"))
        if holes:
            parts.append(ops.cast(ops.isnan(ops.take(raw, holes, axis=1)), "float32"))
        return keras.Model(raw, ops.concatenate(parts, axis=1) if len(parts) > 1 else parts[0], name="pre")

    def assemble(self, row: Backbone, found: Found | None) -> tuple[keras.Model, keras.Model]:
        """Build `pre` and the encoder (channels -> {"vector"}), with the weights of `found`.

        Raises:
            InputError: the input is not fitted to a table.
        """
        import keras

        if not self.columns:
            raise InputError(
                f"backbone {row.name!r} knows no table yet; give what tlkit.pretrain_autoencoder(data) returns as the "
                f"backbone, or tlkit.autoencoder(FOLDER) for one that was kept"
            )
        pre = self.pre()
        model = resolve(row.builder)(size=pre.output.shape[-1], **row.arguments)
        if found is not None:
            resolve(row.loader)(model, found.path)
        return pre, keras.Model(model.inputs[0], {"vector": model.outputs[0]}, name=row.name)

    def batches(self, split: Split, reading: Reading, view: int = 0, rows: Any = None) -> tf.data.Dataset:
        """Read a split, or the examples of `rows`, as batches of rows (batch, columns); there are no augmented views.

        Raises:
            InputError: another number of columns.
        """
        import tensorflow as tf

        items = self.rows(split.items if rows is None else split.items[rows])
        return tf.data.Dataset.from_tensor_slices(items).batch(reading.batch_size).prefetch(2)

    def lengths(self, pre: keras.layers.Layer, items: Any) -> None:
        """Return None: rows are of one size."""

    tokens = lengths

    # === Serving ===

    def signatures(self, answer: Callable, embed: Callable, resize: str) -> dict[str, tuple[Callable, list]]:
        """Describe the endpoints: cells as they are written, strings (batch, columns), for serving and embedding;
        numbers for `serve_array`."""
        import tensorflow as tf

        cells = [tf.TensorSpec((None, self.size), tf.string, name="cells")]
        return {
            "serving_default": (lambda cells: answer(self._parsed(cells)), cells),
            "embed": (lambda cells: embed(self._parsed(cells)), cells),
            "serve_array": (lambda table: answer(table), [tf.TensorSpec((None, self.size), tf.float32, name="table")]),
        }

    def _parsed(self, cells: tf.Tensor) -> tf.Tensor:
        """Parse text cells (batch, columns) as numbers, in the graph; a text in a column of numbers is an error."""
        import tensorflow as tf

        cells = tf.strings.strip(cells)
        empty = tf.reduce_any(tf.equal(tf.strings.lower(cells)[..., None], tf.constant(MISSING)), -1)
        columns = []
        for index, categories in enumerate(self.categories):
            cell, gap = cells[:, index], empty[:, index]
            if categories:
                same = tf.equal(cell[:, None], tf.constant(categories))
                value, gap = tf.cast(tf.argmax(same, -1), tf.float32), gap | ~tf.reduce_any(same, -1)
            else:
                value = tf.strings.to_number(tf.where(gap, "0", cell))
            columns.append(tf.where(gap, float("nan"), value))
        return tf.stack(columns, 1)

    def rows(self, items: Any) -> np.ndarray:
        """Turn raw examples into rows, float32 (n, columns).

        Args:
            items: an array (n, columns) of numbers and codes; or a list, each a mapping of column to cell (more columns
                than the model knows may stand in it), the cells in the order of the columns, such an array (columns,),
                or a text: a line of CSV without a header, or a JSON object.

        Raises:
            InputError: a column is missing, there are more or fewer of them, or a cell does not suit its column.
        """
        if not isinstance(items, np.ndarray) or items.dtype.kind not in "uif":
            items = [table_columns.row(self.table, item, number) for number, item in enumerate(items)]
        rows = np.asarray(items, np.float32).reshape(len(items), -1) if len(items) else np.zeros((0, self.size))
        if rows.shape[1] != self.size:
            raise InputError(table_columns.unlike("each row", rows.shape[1], self.columns))
        if np.isinf(rows).any():
            row, index = np.argwhere(np.isinf(rows))[0]
            raise InputError(f"row {row}: the column {self.columns[index]!r} is infinite; give a finite number or NaN")
        return rows.astype(np.float32)

    def alone(self, items: Any) -> bool:
        """Return whether an input is a single row; an array (n, columns) is n rows, a list is a list of rows."""
        return isinstance(items, str | Mapping) or (isinstance(items, np.ndarray) and items.ndim == 1)

    def encode(self, items: Any) -> tuple[str, tf.Tensor]:
        """Turn raw examples into rows for `serve_array`; raises as `rows` does."""
        import tensorflow as tf

        return "serve_array", tf.constant(self.rows(items))

    def served(self, items: Any) -> list[list[bytes]]:
        """Convert raw examples to the cells that `serving_default` takes."""
        table = self.table
        rows = self.rows(items)
        return [[column.cell(cell).encode() for column, cell in zip(table, row, strict=True)] for row in rows]

    def explain(self, asked: Asked, items: Any) -> list[Words]:
        """Return the cells of rows that the scores come from, one `Words` for each row."""
        from tlkit.models import attribution

        return [attribution.cells(asked, row, self.table) for row in self.rows(items)]

    def made_up(self) -> list[np.ndarray]:
        """Return a few rows that differ: the mean, the categories in turn, and numbers around the mean."""
        rng = np.random.default_rng(0)
        spread = np.array(self.means) + np.array(self.scales) * rng.normal(size=(6, self.size))
        codes = np.arange(6)[:, None] % np.maximum(1, [len(names) for names in self.categories])
        plain = [not names for names in self.categories]
        return list(np.where(plain, spread, codes).astype(np.float32))

    def facts(self) -> dict[str, Any]:
        """Return the arguments that build this input again."""
        lists = {name: list(getattr(self, name)) for name in ("columns", "means", "scales", "gaps")}
        return lists | {name: [list(values) for values in getattr(self, name)] for name in ("categories", "edges")}


def _edges(cells: np.ndarray) -> tuple[float, ...]:
    """Return the edges of bins with equal numbers of rows, as far as values differ."""
    known = cells[~np.isnan(cells)].astype(np.float64)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, MAX_BINS + 1)))
    # Keras takes no deviation below 1e-7 for what it is
    edges = edges[np.concatenate([[True], np.diff(edges) > 1e-6])]
    return tuple(edges.tolist()) if len(edges) > 2 else ()


# === Table ===

# a head over many channels of a small network wants a large rate; what was pretrained on all rows moves little
PHASES = (Phase("head", 40, 3e-3, 0), Phase("top", 40, 3e-4, 2))

TABULAR: dict[str, Backbone] = {
    "autoencoder": Backbone(
        "autoencoder",
        "tlkit.models.tabular.autoencoder:encoder",
        TableInput(),
        ("encoder_1", "encoder_2", "encoder_3"),
        arguments=MappingProxyType({"width": 128}),
        weights=Local(),
        loader="tlkit.models.tabular.autoencoder:load_encoder",
        prepare="tlkit.models.tabular.autoencoder:prepared",
        phases=PHASES,
        source="https://doi.org/10.1145/1390156.1390294",  # Vincent et al., denoising autoencoders
    )
}
