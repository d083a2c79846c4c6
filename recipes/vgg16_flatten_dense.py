"""VGG16 + Flatten + Dense on a folder of pictures: the classic recipe.

Run:    python recipes/vgg16_flatten_dense.py --data photos/ --out runs/vgg16
        photos/ has a folder per class, or train/, val/ and test/ with a folder per class in each
Smoke:  python recipes/vgg16_flatten_dense.py --smoke
Expect: not measured: where this was written neither Keras's download site nor a copy of its VGG16 weights could be
        reached. For orientation, Keras gives VGG16 a top-1 accuracy of 0.713 on ImageNet itself
        (https://keras.io/api/applications/).
"""

from __future__ import annotations

import argparse

import _smoke

import tlkit


def main() -> None:
    """Train, measure and export."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="photos/", help="a folder with a folder per class")
    parser.add_argument("--out", default="runs/vgg16_flatten_dense")
    parser.add_argument("--smoke", action="store_true", help="made-up data, random weights, seconds")
    options = parser.parse_args()

    if options.smoke:
        data = tlkit.arrays(*_smoke.pictures())
        clf = tlkit.vgg16_flatten_dense(data.labels, size=32, weights=None)
        phases = [tlkit.Phase("head", 1, 1e-3, 0), tlkit.Phase("top", 1, 1e-4, 1)]
    else:
        data = tlkit.image_folder(options.data)
        clf = tlkit.vgg16_flatten_dense(data.labels)
        phases = [tlkit.Phase("head", 10, 1e-3, 0), tlkit.Phase("top", 5, 1e-4, 1)]  # 1: block5

    print(data)
    history = tlkit.fit(clf, data, phases=phases)
    report = tlkit.evaluate(clf, data.test, history=history)
    print(report)
    tlkit.export(clf, options.out, report=report, overwrite=True)
    print(f"SavedModel: {options.out}/saved_model/1")


if __name__ == "__main__":
    main()
