"""Road signs: 43 kinds, the German Traffic Sign Recognition Benchmark, with EfficientNet-lite0.

Run:    python recipes/road_signs.py --out runs/road_signs
        the Visual Domain Decathlon has it at 72 pixels, without the labels of its test split: its validation split is
        the test; --data signs/ takes pictures of your own, a folder per kind
Smoke:  python recipes/road_signs.py --smoke
Expect: not measured: where this was written the data could not be downloaded. For orientation, of the benchmark's
        own test split people read 0.9884 and the committee of networks that won it 0.9946
        (https://doi.org/10.1016/j.neunet.2012.02.016). Some thirty pictures show one and the same sign.
"""

from __future__ import annotations

import _common

import tlkit

# signs fill the picture and are small: the top stages have much to learn anew
PHASES = (tlkit.Phase("head", 10, 1e-3, 0), tlkit.Phase("top", 8, 5e-4, 3))


def main() -> None:
    """Train, measure and export."""
    options = _common.parse(__doc__, "tfds:visual_domain_decathlon/gtsrb", _common.PICTURES, size=96)
    data = _common.read(options)
    clf = tlkit.efficientnet_lite0_pool_dense(data.labels, size=options.size, weights=options.weights)
    _common.finish(clf, data, options, PHASES)


if __name__ == "__main__":
    main()
