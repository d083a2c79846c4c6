"""Chest X-rays: pneumonia or none in 5,856 pictures of children, PneumoniaMNIST, with EfficientNet-lite0.

Run:    python recipes/chest_xrays.py --out runs/chest_xrays
        --data xrays/ takes pictures of your own, a folder per finding; where patients have several,
        `tlkit train xrays/ --group-by PATTERN` keeps those of one on one side
Smoke:  python recipes/chest_xrays.py --smoke
Expect: not measured: where this was written the data could not be downloaded. For orientation, the best of the
        methods that the data set's authors tried reached an accuracy of 0.946 (https://arxiv.org/abs/2110.14795).
        Not for clinical use.
"""

from __future__ import annotations

import _common

import tlkit

# X-rays look nothing like photographs: the top stages need a large rate to move
PHASES = (tlkit.Phase("head", 10, 1e-3, 0), tlkit.Phase("top", 8, 1e-3, 3))


def main() -> None:
    """Train, measure and export."""
    options = _common.parse(__doc__, "tfds:pneumonia_mnist", _common.PICTURES, size=96)
    data = _common.read(options)
    clf = tlkit.efficientnet_lite0_pool_dense(data.labels, size=options.size, weights=options.weights)
    _common.finish(clf, data, options, PHASES)


if __name__ == "__main__":
    main()
