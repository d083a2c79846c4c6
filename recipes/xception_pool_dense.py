"""Xception + average pooling + Dense on a folder of pictures.

Run:    python recipes/xception_pool_dense.py --data photos/ --out runs/xception_pool_dense
        photos/ has a folder per class, or train/, val/ and test/ with a folder per class in each; or a table that
        lists picture files, or tfds:NAME
Smoke:  python recipes/xception_pool_dense.py --smoke
Expect: not measured: where this was written neither Keras's download site nor a copy of the weights could be reached.
        For orientation, Keras gives Xception a top-1 accuracy of 0.790 on ImageNet itself
        (https://keras.io/api/applications/).
"""

from __future__ import annotations

import dataclasses

import _common

import tlkit

SMOKE = dataclasses.replace(_common.PICTURES, size=71)  # the least that Xception takes


def main() -> None:
    """Train, measure and export."""
    options = _common.parse(__doc__, "photos/", SMOKE)
    data = _common.read(options)
    clf = tlkit.xception_pool_dense(data.labels, size=options.size, weights=options.weights)
    _common.finish(clf, data, options)


if __name__ == "__main__":
    main()
