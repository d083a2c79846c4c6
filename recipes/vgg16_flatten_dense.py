"""VGG16 + Flatten + Dense on a folder of pictures: the classic recipe.

Run:    python recipes/vgg16_flatten_dense.py --data photos/ --out runs/vgg16_flatten_dense
        photos/ has a folder per class, or train/, val/ and test/ with a folder per class in each; or a table that
        lists picture files, or tfds:NAME
Smoke:  python recipes/vgg16_flatten_dense.py --smoke
Expect: not measured: where this was written neither Keras's download site nor a copy of the weights could be reached.
        For orientation, Keras gives VGG16 a top-1 accuracy of 0.713 on ImageNet itself
        (https://keras.io/api/applications/).
"""

from __future__ import annotations

import _common

import tlkit

PHASES = (tlkit.Phase("head", 10, 1e-3, 0), tlkit.Phase("top", 5, 1e-4, 1))  # 1: block5


def main() -> None:
    """Train, measure and export."""
    options = _common.parse(__doc__, "photos/", _common.PICTURES)
    data = _common.read(options)
    clf = tlkit.vgg16_flatten_dense(data.labels, size=options.size, weights=options.weights)
    _common.finish(clf, data, options, PHASES)


if __name__ == "__main__":
    main()
