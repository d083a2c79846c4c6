"""Dog breeds: 120 of them in 20,580 photographs, Stanford Dogs, with EfficientNet-lite0.

Run:    python recipes/dog_breeds.py --out runs/dog_breeds
        --data dogs/ takes photographs of your own, a folder per breed
Smoke:  python recipes/dog_breeds.py --smoke
Expect: not measured: where this was written the data could not be downloaded. For orientation, their authors reached a
        mean accuracy of 0.22 in 2011, without a pretrained network, on the dogs cut out of the photographs
        (http://vision.stanford.edu/aditya86/ImageNetDogs/). These come from ImageNet: the pretrained weights have
        seen them, and new ones will fare worse.
"""

from __future__ import annotations

import _common

import tlkit


def main() -> None:
    """Train, measure and export."""
    options = _common.parse(__doc__, "tfds:stanford_dogs", _common.PICTURES)
    data = _common.read(options)
    clf = tlkit.efficientnet_lite0_pool_dense(data.labels, size=options.size, weights=options.weights)
    _common.finish(clf, data, options)


if __name__ == "__main__":
    main()
