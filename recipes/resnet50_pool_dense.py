"""ResNet50 + average pooling + Dense on a folder of pictures.

Run:    python recipes/resnet50_pool_dense.py --data photos/ --out runs/resnet50_pool_dense
        photos/ has a folder per class, or train/, val/ and test/ with a folder per class in each; or a table that
        lists picture files, or tfds:NAME
Smoke:  python recipes/resnet50_pool_dense.py --smoke
Expect: not measured: where this was written neither Keras's download site nor a copy of the weights could be reached.
        For orientation, Keras gives ResNet50 a top-1 accuracy of 0.749 on ImageNet itself
        (https://keras.io/api/applications/).
"""

from __future__ import annotations

import _common

import tlkit

PHASES = (tlkit.Phase("head", 10, 1e-3, 0), tlkit.Phase("top", 5, 1e-4, 1))  # 1: conv5, its last three residual blocks


def main() -> None:
    """Train, measure and export."""
    options = _common.parse(__doc__, "photos/", _common.PICTURES)
    data = _common.read(options)
    clf = tlkit.resnet50_pool_dense(data.labels, size=options.size, weights=options.weights)
    _common.finish(clf, data, options, PHASES)


if __name__ == "__main__":
    main()
