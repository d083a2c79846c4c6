"""Malaria: blood cells with and without the parasite in 27,558 pictures, with EfficientNet-lite0.

Run:    python recipes/malaria_cells.py --out runs/malaria_cells
        --data cells/ takes pictures of your own, a folder per finding
Smoke:  python recipes/malaria_cells.py --smoke
Expect: not measured: where this was written the data could not be downloaded. For orientation, the data set's authors
        report an accuracy of 0.959 with no patient on both sides (https://doi.org/10.7717/peerj.4568, table 6).
        TensorFlow Datasets names no patients, so a figure of this recipe is of cells split whosever they are, which
        flatters. Not for clinical use.
"""

from __future__ import annotations

import _common

import tlkit


def main() -> None:
    """Train, measure and export."""
    options = _common.parse(__doc__, "tfds:malaria", _common.PICTURES, size=128)
    data = _common.read(options)
    clf = tlkit.efficientnet_lite0_pool_dense(data.labels, size=options.size, weights=options.weights)
    _common.finish(clf, data, options)


if __name__ == "__main__":
    main()
