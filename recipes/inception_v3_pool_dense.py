"""InceptionV3 + average pooling + Dense on a folder of pictures.

Run:    python recipes/inception_v3_pool_dense.py --data photos/ --out runs/inception_v3_pool_dense
        photos/ has a folder per class, or train/, val/ and test/ with a folder per class in each; or a table that
        lists picture files, or tfds:NAME
Smoke:  python recipes/inception_v3_pool_dense.py --smoke
Expect: not measured: where this was written neither Keras's download site nor a copy of the weights could be reached.
        For orientation, Keras gives InceptionV3 a top-1 accuracy of 0.779 on ImageNet itself
        (https://keras.io/api/applications/).
"""

from __future__ import annotations

import dataclasses

import _common

import tlkit

PHASES = (tlkit.Phase("head", 10, 1e-3, 0), tlkit.Phase("top", 5, 1e-4, 2))  # 2: mixed9 and mixed10
SMOKE = dataclasses.replace(_common.PICTURES, size=75)  # the least that InceptionV3 takes


def main() -> None:
    """Train, measure and export."""
    options = _common.parse(__doc__, "photos/", SMOKE)
    data = _common.read(options)
    clf = tlkit.inception_v3_pool_dense(data.labels, size=options.size, weights=options.weights)
    _common.finish(clf, data, options, PHASES)


if __name__ == "__main__":
    main()
