"""Inception-ResNet-v2 + average pooling + Dense on a folder of pictures.

Run:    python recipes/inception_resnet_v2_pool_dense.py --data photos/ --out runs/inception_resnet_v2_pool_dense
        photos/ has a folder per class, or train/, val/ and test/ with a folder per class in each; or a table that
        lists picture files, or tfds:NAME
Smoke:  python recipes/inception_resnet_v2_pool_dense.py --smoke
Expect: not measured: where this was written neither Keras's download site nor a copy of the weights could be reached.
        For orientation, Keras gives InceptionResNetV2 a top-1 accuracy of 0.803 on ImageNet itself
        (https://keras.io/api/applications/).
"""

from __future__ import annotations

import dataclasses

import _common

import tlkit

SMOKE = dataclasses.replace(_common.PICTURES, size=75)  # the least that InceptionResNetV2 takes


def main() -> None:
    """Train, measure and export."""
    options = _common.parse(__doc__, "photos/", SMOKE)
    data = _common.read(options)
    clf = tlkit.inception_resnet_v2_pool_dense(data.labels, size=options.size, weights=options.weights)
    _common.finish(clf, data, options)


if __name__ == "__main__":
    main()
