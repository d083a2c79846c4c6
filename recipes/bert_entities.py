"""BERT base on texts with tagged words: names of persons, places, organisations, or whatever the tags say.

Run:    python recipes/bert_entities.py --data train_dev_test_conll --out runs/bert_entities
Smoke:  python recipes/bert_entities.py --smoke
Expect: not measured: where this was written KerasHub's download site could not be reached. A suitable public set is the
        Broad Twitter Corpus (CC BY 4.0, https://github.com/GateNLP/broad_twitter_corpus), whose folder
        train_dev_test_conll is read as it is.
"""

from __future__ import annotations

import argparse

import _smoke
import keras

import tlkit


def main() -> None:
    """Train, measure and export."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", help="a CoNLL file, JSON lines of tokens and tags, or a folder of train, val and test"
    )
    parser.add_argument("--out", default="runs/bert_entities")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--smoke", action="store_true", help="made-up data, random weights, seconds")
    options = parser.parse_args()
    if not (options.smoke or options.data):
        parser.error("give --data or --smoke")
    keras.utils.set_random_seed(options.seed)

    if options.smoke:
        data = tlkit.tagged_texts(_smoke.tagged())
        clf = tlkit.bert_entities(data.target, size=16, weights=_smoke.bert(layers=6))
        phases = (tlkit.Phase("head", 1, 1e-3, 0), tlkit.Phase("top", 1, 1e-4, 3))
    else:
        data = tlkit.tagged_texts(options.data, seed=options.seed)
        clf = tlkit.bert_entities(data.target)
        phases = None  # BERT's own: the head, then two of its twelve layers

    print(data)
    history = tlkit.fit(clf, data, phases=phases, seed=options.seed)
    report = tlkit.evaluate(clf, data.test, history=history, notes=(data.splitting,))
    print(report)
    tlkit.export(clf, options.out, report=report, data=data, history=history, overwrite=True)
    print(f"SavedModel: {options.out}/saved_model/1")


if __name__ == "__main__":
    main()
