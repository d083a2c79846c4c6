"""Pretrain an autoencoder on table rows, labelled or not; its encoder is the backbone of a classifier.

A denoising autoencoder: some cells of each row are replaced by those of other rows, and the network is to give the row
as it was. For that it has to know how the columns hang together, which no few labels can tell.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkit.data.splits import Data
from tlkit.data.table_columns import FACTS, faults
from tlkit.errors import DataError, InputError, WeightsError
from tlkit.models import cache_keys, seeding
from tlkit.models.backbone import Backbone, Local
from tlkit.models.tabular.table_input import TABULAR, TableInput
from tlkit.models.vision.architectures import read_keras
from tlkit.utils import digests, environment, files, schema
from tlkit.utils.progress import say

if TYPE_CHECKING:
    import keras

BLOCKS, NAME, ABOUT = 3, "autoencoder.keras", "autoencoder.json"
MIN_ROWS = 20  # with fewer, too few rows could be held out
HELD_OUT_SHARE = 0.1  # of the rows, on which the reconstruction is evaluated
SCHEMA = {"input": FACTS, "width": int, "params": int, "rows": int, "losses": [float]}
ROWS_AT_ONCE = 4096  # reconstructed in one step


@dataclasses.dataclass(frozen=True)
class Pretraining:
    """Settings for pretraining an autoencoder.

    Args:
        width: of the encoder's layers.
        corruption: the share of cells that are replaced by those of other rows, above 0 and below 1.
        epochs: passes over the rows, at most.
        patience: epochs without a better reconstruction of the rows held out that are waited for.
        batch_size: rows in a step.
        learning_rate: the peak rate; it falls to zero by a cosine.
        seed: of the first weights, the order, the corruption and the rows held out.
    """

    width: int = 128
    corruption: float = 0.2
    epochs: int = 60
    patience: int = 10
    batch_size: int = 128
    learning_rate: float = 1e-3
    seed: int = 0


def pretrain_autoencoder(
    data: Data, out: str | os.PathLike | None = None, *, how: Pretraining | None = None, progress: bool = True
) -> Backbone:
    """Pretrain an autoencoder on all rows of a table that are not for measuring: the training rows and those without
    a label. A tenth of them is held out; the weights of its best reconstruction are kept.

    Args:
        data: what `tlkit.table` returned.
        out: a folder for the result, made when missing; `tlkit.autoencoder` reads it again. By default it lies in
            tlkit's cache, and the same rows and settings are not trained twice.
        how: the settings; `Pretraining()` by default.
        progress: print a line every ten epochs.

    Returns:
        A backbone with these weights: `tlkit.classifier(row, "vector_dense", data.target)`.

    Raises:
        InputError: data that are no table, a setting that cannot be, or columns that are all constant.
        DataError: fewer than 20 rows.
        RunError: the folder cannot be written.
    """
    environment.check()
    rows = _rows(data, how := how or Pretraining())
    folder = _kept(data, rows, how) if out is None else Path(out)
    if out is None and os.path.isfile(folder / ABOUT):
        return autoencoder(folder)
    table_input = TableInput.of(data.columns, rows)
    with seeding.seeded(how.seed):
        network, losses = _trained(table_input, rows, how, progress)
    with files.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with files.atomic(folder / NAME) as path:
        network.save(path)
    params = sum(layer.count_params() for layer in network.layers if layer.name.startswith("encoder_"))
    facts = {"input": table_input.facts(), "width": how.width, "params": params, "rows": len(rows), "losses": losses}
    files.write_json(folder / ABOUT, facts)  # last: it says that the weights are there
    return autoencoder(folder)


def autoencoder(folder: str | os.PathLike) -> Backbone:
    """Return the backbone that `pretrain_autoencoder` left in a folder.

    Raises:
        WeightsError: there is none, or it is damaged.
    """
    path = Path(folder)
    if not os.path.isfile(path / ABOUT):
        raise WeightsError(f"{path} holds no autoencoder; name a folder that tlkit.pretrain_autoencoder wrote")
    try:
        facts = files.read_json(path / ABOUT)
        if fault := next(schema.mismatches(facts, SCHEMA), None):
            raise ValueError(fault)
        if fault := next(faults(facts["input"]), None):
            raise ValueError(fault)
        table_input = TableInput(**facts["input"])
    except (ValueError, TypeError, RecursionError) as error:
        raise WeightsError(f"{path / ABOUT} is damaged: {error}; pretrain again") from error
    return dataclasses.replace(
        TABULAR["autoencoder"],
        input=table_input,
        arguments=MappingProxyType({"width": facts["width"]}),
        weights=Local(path / NAME),
        params=facts["params"],
    )


def reconstruction_errors(row: Backbone, items: Any) -> np.ndarray:
    """Return the reconstruction errors of rows, float64 (n,); the higher, the more unusual the row.

    It needs no label, and is what a classifier of anomalies has to beat.

    Args:
        row: what `pretrain_autoencoder` or `autoencoder` returned.
        items: rows as `Artifact.predict` takes them, or the `items` of a split.

    Raises:
        InputError: rows that do not suit the backbone, or a backbone that is no pretrained autoencoder.
        WeightsError: the weights are gone or damaged.
    """
    if not row.prepare or not isinstance(row.weights, Local) or not row.input.columns:
        raise InputError(f"{row.name} is no pretrained autoencoder; give what tlkit.pretrain_autoencoder returns")
    network, pre = _read(row.weights.path), row.input.pre()
    rows, errors = row.input.rows(items), [np.zeros(0)]
    for start in range(0, len(rows), ROWS_AT_ONCE):
        z = pre(rows[start : start + ROWS_AT_ONCE])
        errors.append(np.mean(np.square(network(z) - z), axis=1, dtype=np.float64))
    return np.concatenate(errors)


def prepared(row: Backbone, data: Data | None, weights: str | os.PathLike | None, progress: bool) -> Backbone:
    """Fit the backbone to a table: pretrain it, load it from the folder `weights`, or leave its weights random."""
    if weights is None:
        return dataclasses.replace(row, input=TableInput.of(data.columns, _rows(data, Pretraining())))
    if weights == "pretrained":
        return pretrain_autoencoder(data, progress=progress)
    path = Path(weights)
    return autoencoder(path if path.is_dir() else path.parent)


def notes(row: Backbone, data: Data) -> tuple[str, ...]:
    """Return a note on the average precision of the reconstruction errors on the test split, for a rare class."""
    if not row.prepare or row.weights.path is None or len(data.labels) != 2:
        return ()
    from sklearn.metrics import average_precision_score

    rare = int(np.bincount(data.test.labels, minlength=2).argmin())
    precision = average_precision_score(data.test.labels == rare, reconstruction_errors(row, data.test.items))
    return (f"without labels: the errors of reconstruction alone reach an average precision of {precision:.3f}",)


# === Networks ===


def encoder(*, size: int, width: int) -> keras.Model:
    """Build the encoder: three dense layers, whose outputs are concatenated with the row itself."""
    import keras

    z = keras.Input((size,), name="row")
    return keras.Model(z, _encoded(z, width), name="encoder")


def _encoded(z: keras.KerasTensor, width: int) -> keras.KerasTensor:
    from keras import layers

    x, outputs = z, [z]
    for number in range(1, BLOCKS + 1):
        x = layers.Dense(width, activation="relu", kernel_initializer="he_normal", name=f"encoder_{number}")(x)
        outputs.append(x)
    return layers.Concatenate(name="vector")(outputs)


def _network(size: int, width: int) -> keras.Model:
    """Build the whole autoencoder; the decoder sees the output of the encoder's last layer only."""
    import keras
    from keras import layers

    whole = encoder(size=size, width=width)
    top = whole.get_layer(f"encoder_{BLOCKS}").output
    return keras.Model(whole.input, layers.Dense(size, name="reconstruction")(top), name="autoencoder")


def load_encoder(model: keras.Model, path: Path) -> None:
    """Load the weights of a saved autoencoder into an encoder.

    Raises:
        WeightsError: the file is missing, damaged, or of other columns or another width.
    """
    saved = _read(path)
    for number in range(1, BLOCKS + 1):
        layer = model.get_layer(f"encoder_{number}")
        try:
            layer.set_weights(saved.get_layer(layer.name).get_weights())
        except ValueError as error:
            raise WeightsError(
                f"{path} does not fit this table: {str(error).splitlines()[0][:200]}; pretrain on it anew"
            ) from error


def _read(path: str | Path) -> keras.Model:
    try:
        return read_keras(path)
    except (ValueError, OSError) as error:
        raise WeightsError(f"{path} is no autoencoder that can be read: {error}; pretrain again") from error


# === Pretraining ===


def _rows(data: Data, settings: Pretraining) -> np.ndarray:
    """Return the rows to pretrain on; raise an error for unsuitable data or settings."""
    if data.kind != "table":
        raise InputError(f"an autoencoder is pretrained on tables of numbers and categories, not on {data.kind}s")
    counts = min(settings.width, settings.epochs, settings.batch_size)
    if not 0 < settings.corruption < 1 or counts < 1 or not settings.learning_rate > 0:
        raise InputError(f"{settings}: give 0 < corruption < 1, and numbers above 0 for the others")
    rows = data.train.items if data.unlabeled is None else np.concatenate([data.train.items, data.unlabeled])
    if len(rows) < MIN_ROWS:
        raise DataError(f"{data.source} has {len(rows)} rows to pretrain on; at least {MIN_ROWS} are needed: add some")
    return rows


def _kept(data: Data, rows: np.ndarray, settings: Pretraining) -> Path:
    """Return the cache folder of a result, named by a digest of everything it depends on."""
    columns = [(column.name, column.categories) for column in data.columns]
    facts = {"columns": columns, "how": dataclasses.asdict(settings), "code": cache_keys.code()}
    return files.cache_home() / "autoencoders" / digests.combined(facts | {"rows": digests.array(rows)})[:32]


def _trained(
    table_input: TableInput, rows: np.ndarray, settings: Pretraining, progress: bool
) -> tuple[keras.Model, list[float]]:
    """Return the network with its best weights, and the loss on the rows held out after each epoch."""
    rng = np.random.default_rng(settings.seed)
    order, held = rng.permutation(len(rows)), max(1, round(HELD_OUT_SHARE * len(rows)))
    pre, (val, train) = table_input.pre(), (rows[order[:held]], rows[order[held:]])
    network = _network(pre.output.shape[-1], settings.width)
    epoch_of = _compiled(network, settings, -(-len(train) // settings.batch_size))
    clean, judged, spoiled = _through(pre, train), _through(pre, val), _through(pre, _corrupted(val, settings, rng))
    losses, best, weights = [], np.inf, network.get_weights()
    for epoch in range(1, settings.epochs + 1):
        epoch_of(_through(pre, _corrupted(train, settings, rng)), clean, rng.permutation(len(train)))
        losses.append(float(np.mean(np.square(_through(network, spoiled) - judged))))
        if losses[-1] < best:
            best, weights = losses[-1], network.get_weights()
        if progress and (epoch % 10 == 0 or epoch == settings.epochs):
            say(f"autoencoder {epoch:>3}/{settings.epochs}  reconstruction {losses[-1]:.4f}  best {best:.4f}")
        if epoch - 1 - int(np.argmin(losses)) >= settings.patience:
            break
    network.set_weights(weights)
    return network, losses


def _compiled(network: keras.Model, settings: Pretraining, steps: int) -> Callable:
    """Compile a function that trains one epoch: (corrupted rows, original rows, their order)."""
    import keras
    import tensorflow as tf

    schedule = keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.epochs * steps)
    optimizer = keras.optimizers.Adam(schedule)
    optimizer.build(network.trainable_variables)
    rows = tf.TensorSpec((None, network.input.shape[-1]), tf.float32)

    @tf.function(input_signature=[rows, rows, tf.TensorSpec((None,), tf.int64)])
    def epoch(spoiled: tf.Tensor, clean: tf.Tensor, order: tf.Tensor) -> None:
        for start in tf.range(0, tf.shape(order)[0], settings.batch_size):
            batch = order[start : start + settings.batch_size]
            with tf.GradientTape() as tape:
                answer = network(tf.gather(spoiled, batch), training=True)
                loss = tf.reduce_mean(tf.square(answer - tf.gather(clean, batch)))
            optimizer.apply(tape.gradient(loss, network.trainable_variables), network.trainable_variables)

    return epoch


def _through(pre: keras.Model, rows: np.ndarray) -> np.ndarray:
    return np.concatenate(
        [np.asarray(pre(rows[start : start + ROWS_AT_ONCE])) for start in range(0, len(rows), ROWS_AT_ONCE)]
    )


def _corrupted(rows: np.ndarray, settings: Pretraining, rng: np.random.Generator) -> np.ndarray:
    """Replace cells by those of the same column in other rows, drawn at random."""
    others = rng.integers(len(rows), size=rows.shape)
    swapped = rows[others, np.arange(rows.shape[1])]
    return np.where(rng.random(rows.shape) < settings.corruption, swapped, rows)
