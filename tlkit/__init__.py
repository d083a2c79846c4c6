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
    "config": ("Augment", "Compute", "LIGHT", "Phase", "STRONG", "Splitting", "TWO_PHASE"),
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
    "tasks.entities": ("Entities",),
    "tasks.next_token": ("Reply", "Summary"),
    "tasks.predictions": (
        "EntitiesPrediction",
        "Prediction",
        "Span",
        "TagsPrediction",
        "TextPrediction",
        "ValuePrediction",
    ),
    "tasks.targets": ("Label", "Tags", "Value"),
    "data.reader_factory": ("read",),
    "data.readers.arrays": ("arrays",),
    "data.readers.bundled": ("bbc_news", "digits"),
    "data.readers.conll": ("tagged_texts",),
    "data.readers.image_folder": ("image_folder",),
    "data.readers.image_table": ("image_table",),
    "data.readers.tabular": ("table",),
    "data.readers.text_generation": ("dialogues", "summaries"),
    "data.readers.text_table": ("text_table",),
    "data.readers.tf_dataset": ("dataset",),
    "data.readers.tfds": ("tfds",),
    "data.splits": ("Data", "Split"),
    "models.attribution": ("Heat", "Words"),
    "models.backbone": ("Backbone",),
    "models.classifier": ("classifier",),
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
    "models.freezing": ("FreezeTable", "freeze_table", "unfreeze"),
    "models.generation.decoding": ("Sampling", "generate"),
    "models.generation.generators": ("generator", "summarizer"),
    "models.heads": ("Head",),
    "models.tabular.autoencoder": ("Pretraining", "autoencoder", "pretrain_autoencoder", "reconstruction_errors"),
    "models.tabular.table_input": ("TableInput",),
    "models.text.text_input": ("TextInput",),
    "models.vision.image_input": ("ImageInput",),
    "training.fit": ("History", "fit"),
    "training.learning_curve": ("learning_curve",),
    "evaluation.baseline": ("baseline",),
    "evaluation.calibration": ("calibrate",),
    "evaluation.classification_report": ("Report",),
    "evaluation.entity_report": ("EntityReport",),
    "evaluation.evaluate": ("evaluate",),
    "evaluation.explain": ("explain",),
    "evaluation.multilabel_report": ("TagsReport",),
    "evaluation.regression_report": ("ValueReport",),
    "reporting.findings": ("Finding",),
    "doctor.diagnose": ("diagnose",),
    "doctor.diagnosis": ("Diagnosis",),
    "artifacts.artifact": ("Artifact", "load"),
    "artifacts.export": ("export",),
    "runs.comparison": ("Comparison", "compare"),
    "runs.job": ("Job", "resumed"),
    "runs.run": ("Run", "run_job"),
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
