"""Flowers: five kinds in 3,670 photographs, tf_flowers, with EfficientNet-lite0.

Run:    python recipes/flowers.py --out runs/flowers
        --data flowers/ takes photographs of your own, a folder per kind
Smoke:  python recipes/flowers.py --smoke
Expect: not measured: where this was written the data could not be downloaded. For orientation, the backbone's authors
        give it a top-1 accuracy of 0.751 among the 1,000 classes of ImageNet itself
        (https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite); five kinds are easier.
"""

from __future__ import annotations

import _common

import tlkit


def main() -> None:
    """Train, measure and export."""
    options = _common.parse(__doc__, "tfds:tf_flowers", _common.PICTURES)
    data = _common.read(options)
    clf = tlkit.efficientnet_lite0_pool_dense(data.labels, size=options.size, weights=options.weights)
    _common.finish(clf, data, options)


if __name__ == "__main__":
    main()
