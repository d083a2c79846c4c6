"""tlkit: transfer learning on Keras 3 and TensorFlow.

    import tlkit

    data = tlkit.image_folder("photos/")
    clf = tlkit.efficientnet_lite0_pool_dense(data.labels)
    history = tlkit.fit(clf, data)
    report = tlkit.evaluate(clf, data.test, history=history)
    tlkit.export(clf, "out/", report=report)

Public names load when they are first used: importing tlkit does not import TensorFlow.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

__version__ = "0.1.0"

# TensorFlow reads this once, when it is imported, and by itself turns oneDNN on for some processors only. On others a
# folded network is up to twice as fast with it, too. Whoever set it keeps what they set.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

_HOMES = {
    "training.learning_curve": ("learning_curve",),
    "artifacts.artifact": ("Artifact", "load"),
    "evaluation.baseline": ("baseline",),
    "models.classifier": ("classifier",),
    "evaluation.calibration": ("calibrate",),
    "runs.comparison": ("Comparison", "compare"),
    "data.readers.text_generation": ("dialogues", "summaries"),
    "data.reader_factory": (
        "Data",
        "Split",
        "arrays",
        "bbc_news",
        "dataset",
        "digits",
        "image_folder",
        "image_table",
        "read",
        "table",
        "tagged_texts",
        "text_table",
        "tfds",
    ),
    "doctor.diagnose": ("diagnose",),
    "errors": (
        "ArtifactError",
        "DataError",
        "FreezeError",
        "InputError",
        "IntegrityError",
        "Interrupted",
        "OfflineError",
        "RunError",
        "TlkitError",
        "WeightsError",
    ),
    "evaluation.explain": ("explain",),
    "artifacts.export": ("export",),
    "models.factories": (
        "albert_classifier",
        "autoencoder_vector_dense",
        "bert_classifier",
        "bert_entities",
        "convnext_tiny_pool_dense",
        "deberta_v3_classifier",
        "densenet121_pool_dense",
        "distil_bert_classifier",
        "efficientnet_b0_pool_dense",
        "efficientnet_lite0_pool_dense",
        "efficientnet_v2_b0_pool_dense",
        "electra_classifier",
        "gpt2_classifier",
        "inception_resnet_v2_pool_dense",
        "inception_v3_pool_dense",
        "minilm_classifier",
        "minilm_entities",
        "mobilenet_pool_dense",
        "mobilenet_v2_pool_dense",
        "mobilenet_v3_large_pool_dense",
        "nasnet_mobile_pool_dense",
        "resnet50_pool_dense",
        "resnet50_v2_pool_dense",
        "roberta_classifier",
        "vgg16_flatten_dense",
        "vgg19_flatten_dense",
        "xception_pool_dense",
        "xlm_roberta_classifier",
    ),
    "reporting.findings": ("Diagnosis", "Finding"),
    "models.freezing": ("FreezeTable", "freeze_table", "unfreeze"),
    "models.generation.generators": ("generator", "summarizer"),
    "models.heads": ("Head",),
    "runs.job": ("Job", "resumed"),
    "evaluation.entity_report": ("EntityReport",),
    "tasks.next_token": ("Reply", "Summary"),
    "tasks.predictions": (
        *("EntitiesPrediction", "Prediction", "Span", "TagsPrediction", "TextPrediction", "ValuePrediction"),
    ),
    "models.tabular.autoencoder": ("Pretraining", "autoencoder", "pretrain_autoencoder", "reconstruction_errors"),
    "evaluation.classification_report": ("Report", "evaluate"),
    "runs.run": ("Run", "run_job"),
    "models.attribution": ("Heat", "Words"),
    "config": ("LIGHT", "STRONG", "TWO_PHASE", "Augment", "Backbone", "Compute", "Phase", "Splitting"),
    "tasks.entities": ("Entities",),
    "evaluation.multilabel_report": ("TagsReport",),
    "tasks.targets": ("Label", "Tags", "Value"),
    "training.fit": ("History", "fit"),
    "evaluation.regression_report": ("ValueReport",),
    "models.generation.decoding": ("Sampling", "generate"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tlkit' has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(f"tlkit.{_HOME[name]}"), name)
    except Exception:
        from tlkit.utils import environment

        environment.check()  # it says in a line what around this process keeps Keras from being imported
        raise
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
