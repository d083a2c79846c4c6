"""The workloads, and their splits: drawn by tlkit's readers, written down, and so the same examples for everybody.

Run as a script, it is the step `splits`. Everything else in it works without tlkit too.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import gzip
import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import measure

if TYPE_CHECKING:
    import keras
    import numpy as np

SEEDS = (0, 1, 2)
SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}  # of a part of the data, as tlkit splits the whole
FASHION = Path("/usr/share/datasets/fashion-mnist")  # where the Debian package dataset-fashion-mnist puts it


@dataclasses.dataclass(frozen=True)
class Workload:
    """State one job.

    Args:
        source: the folder or the pair of tables in the data folder.
        kind: "image" or "text".
        backbone, head, size: what is trained, and on how many pixels or tokens.
        rates: tlkit's learning rate in each phase: the row's own.
        keras_rates: plain Keras's: the guide's for pictures; for texts, of which it does not speak, the row's.
        unfreeze: blocks opened in the second phase.
        weights: "pretrained", or None for random ones.
        examples: how many are drawn of the data; None for all.
    """

    source: str
    kind: str
    backbone: str
    head: str
    size: int
    rates: tuple[float, float] = (1e-3, 1e-4)
    keras_rates: tuple[float, float] = (1e-3, 1e-5)
    unfreeze: int = 2
    weights: str | None = "pretrained"
    examples: int | None = None


_LITE = ("efficientnet_lite0", "pool_dense")
WORKLOADS = {
    "pictures": Workload("trashnet", "image", *_LITE, 224),
    "texts": Workload("banking77", "text", "minilm_l6", "mean_dense", 64, (2e-2, 3e-4), (2e-2, 3e-4), 3),
    "vgg": Workload(
        "trashnet", "image", "vgg16", "flatten_dense", 224, unfreeze=1, weights=None, examples=500,
    ),
    "scale-2000": Workload("fashion", "image", *_LITE, 96, examples=2_000),
    "scale-60000": Workload("fashion", "image", *_LITE, 96, examples=60_000),
}  # fmt: skip


# === Splits ===


@dataclasses.dataclass(frozen=True)
class Part:
    """Hold one split: paths of pictures, or texts, and the number of each one's class."""

    items: list[str]
    labels: list[int]


@dataclasses.dataclass(frozen=True)
class Splits:
    """Hold a workload's examples, the names of its classes, and the pretrained weights' file or folder."""

    train: Part
    val: Part
    test: Part
    names: list[str]
    weights: str

    def sizes(self) -> dict[str, int]:
        """Return the number of examples by split."""
        return {name: len(getattr(self, name).items) for name in SHARES}


def read(job: argparse.Namespace) -> tuple[Workload, Splits]:
    """Read the splits that a job is about; the pictures among them are then in the file cache."""
    workload = WORKLOADS[job.workload]
    record = json.loads(_path(job.results, job.workload, job.seed).read_text("utf-8"))
    splits = Splits(*(Part(**record[name]) for name in SHARES), record["names"], record["weights"])
    if workload.kind == "image":
        for name in SHARES:
            for path in getattr(splits, name).items:
                Path(path).read_bytes()
    return workload, splits


def _path(results: Path, name: str, seed: int) -> Path:
    return results / "splits" / f"{name}-{seed}.json"


def _write(job: argparse.Namespace, name: str, seed: int) -> None:
    workload = WORKLOADS[name]
    data = _pictures(job, seed) if workload.kind == "image" else _texts(job, seed)
    wanted = min(filter(None, (job.limit, workload.examples)), default=None)
    record: dict[str, Any] = {"names": list(data.labels), "weights": _weights(workload)}
    for split, share in SHARES.items():
        part = getattr(data, split)
        chosen = list(range(len(part)))
        if wanted is not None:
            chosen = sorted(random.Random(seed).sample(chosen, min(len(chosen), round(share * wanted))))
        items, labels = [part.items[number] for number in chosen], part.labels[chosen].tolist()
        record[split] = {"items": items, "labels": labels}
    path = _path(job.results, name, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record), "utf-8")
    print(name, seed, {split: len(record[split]["items"]) for split in SHARES}, flush=True)


def _pictures(job: argparse.Namespace, seed: int) -> Any:
    import tlkit

    return tlkit.image_folder(job.data.resolve() / "trashnet", seed=seed)


def _texts(job: argparse.Namespace, seed: int) -> Any:
    """Join both tables under a column `split`, which tlkit's reader honours: val is then 15 % of train."""
    import tlkit

    rows = []
    for split in ("train", "test"):
        with (job.data / "text" / f"banking77_{split}.csv").open(newline="", encoding="utf-8") as file:
            rows += [(row["text"], row["label"], split) for row in csv.DictReader(file)]
    joined = job.results / "splits" / "banking77.csv"
    joined.parent.mkdir(parents=True, exist_ok=True)
    with joined.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label", "split"), *rows])
    return tlkit.text_table(joined, seed=seed)


def _weights(workload: Workload) -> str:
    from tlkit.models import classifier, weights

    found = weights.find(classifier.find_backbone(workload.backbone), workload.weights)
    return str(found.path) if found else ""


# === For those who have tlkit ===


def data(job: argparse.Namespace) -> Any:
    """Return the examples of a job as a data set of tlkit."""
    import numpy as np

    import tlkit

    if WORKLOADS[job.workload].source == "fashion":
        count = WORKLOADS[job.workload].examples
        few = job.limit and (2 + count // 10_000) * job.limit
        pixels, numbers = fashion(job.data, few or count)
        return tlkit.arrays(pixels, numbers, seed=job.seed)
    workload, splits = read(job)
    parts = {name: getattr(splits, name) for name in SHARES}
    made = {name: tlkit.Split(part.items, np.array(part.labels, np.int64)) for name, part in parts.items()}
    return tlkit.Data(**made, labels=tuple(splits.names), kind=workload.kind, source=workload.source, splitting="")


def fashion(folder: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Read the first `count` pictures (count, 28, 28) and labels of Fashion-MNIST, from the data folder or Debian's."""
    import numpy as np

    home = next((home for home in (folder / "fashion-mnist", FASHION) if home.is_dir()), None)
    if home is None:
        raise SystemExit(
            f"Fashion-MNIST is not here: install the Debian package dataset-fashion-mnist, or put its files into "
            f"{folder / 'fashion-mnist'}"
        )
    with gzip.open(home / "train-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(home / "train-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)
    return pixels[:count], labels[:count]


def classifier(workload: Workload, names: list[str]) -> keras.Model:
    """Build a workload's network as tlkit does."""
    import tlkit

    size, weights = workload.size, workload.weights
    return tlkit.classifier(workload.backbone, workload.head, names, size=size, weights=weights)


def main() -> None:
    """Draw the splits of every workload and seed, fetch the weights, and note that it is done."""
    job = measure.job(__doc__)
    for name, workload in WORKLOADS.items():
        if workload.source != "fashion":
            for seed in SEEDS if name != "vgg" else SEEDS[:1]:
                _write(job, name, seed)
    (job.results / f"{job.step}.json").write_text("{}\n", "utf-8")


if __name__ == "__main__":
    main()
