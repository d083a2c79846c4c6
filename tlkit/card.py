"""The model card: the README.md of an artifact, written from its facts."""

from __future__ import annotations

from typing import Any

LISTED = 50  # labels that are written out


def write(facts: dict[str, Any]) -> str:
    """Write the model card in Markdown, with the metadata block that model hubs read.

    Args:
        facts: what `tlkit.json` says.
    """
    if facts["input"]["kind"] == "prompt":
        return _of_writer(facts)
    backbone, weights, given = facts["backbone"], facts["weights"], facts["input"]
    labels = [_escape(label) for label in facts["labels"]]
    more = [f"and {len(labels) - LISTED} more (see tlkit.json)"] if len(labels) > LISTED else []
    return "\n".join(
        [
            "---",
            "library_name: keras",
            f"tags: [{given['kind']}-classification, tlkit]",
            "---",
            "",
            f"# {backbone['name']} + {facts['head']}, {len(labels)} classes",
            "",
            f"A {given['kind']} classifier made by transfer learning with tlkit {facts['versions']['tlkit']}.",
            "",
            f"- Backbone: {backbone['name']}, {backbone['params']:,} parameters, {weights['source'] or 'no source'}",
            f"- Pretrained weights: {weights['origin']}",
            f"- Licence of these weights: {weights['licence'] or 'not stated'}",
            f"- Input: {_input(given)}",
            f"- Labels: {', '.join([*labels[:LISTED], *more])}",
            "",
            "## Figures",
            "",
            *_figures(facts["metrics"]),
            "",
            "## Use",
            "",
            *_use(given),
            "",
        ]
    )


def _escape(label: str) -> str:
    """Keep a label from being read as Markdown or HTML."""
    return "".join(f"\\{char}" if char in "\\`*_{}[]<>()#|!~" else char for char in label.replace("\n", " "))


def _input(given: dict[str, Any]) -> str:
    if given["kind"] == "text":
        what = "pairs of strings" if given.get("segments") == 2 else "strings"
        return f"{what}, cut after {given['size']} tokens"
    return f"encoded pictures (JPEG, PNG, WebP, BMP, GIF), brought to {given['size']} pixels by {given['resize']}"


def _figures(metrics: dict[str, Any] | None) -> list[str]:
    if metrics is None:
        return ["The model was exported without an evaluation."]
    return [
        f"| on the {metrics['split']} split, {metrics['examples']} examples | |",
        "|---|---|",
        f"| accuracy | {metrics['accuracy']:.4f} |",
        f"| macro-F1 | {metrics['macro_f1']:.4f} |",
        f"| cross-entropy, nats | {metrics['loss']:.4f} |",
    ]


def _use(given: dict[str, Any]) -> list[str]:
    kind, text = given["kind"], '["...", "..."]' if given.get("segments") == 2 else '"..."'
    extra = ["import tensorflow_text  # the tokenizer's operations"] if kind == "text" else []
    argument = f"text=tf.constant([{text}])" if kind == "text" else "image_bytes=tf.constant([photo])"
    extra = extra or ['photo = open("photo.jpg", "rb").read()']
    return [
        "```python",
        "import tensorflow as tf",
        *extra,
        'model = tf.saved_model.load("saved_model/1")',
        f'answer = model.signatures["serving_default"]({argument})',
        'print(answer["label"], answer["top_k_probabilities"])',
        "```",
    ]


def _of_writer(facts: dict[str, Any]) -> str:
    """Write the card of a model that replies or summarizes."""
    backbone, weights, given, metrics = (facts[name] for name in ("backbone", "weights", "input", "metrics"))
    reply, sampling = facts["target"]["name"] == "reply", given["sampling"]
    what = "prompt, whose beginning" if reply else "document, whose end"
    rows = {name: value for name, value in (metrics or {}).items() if name not in ("split", "examples")}
    table = [f"| {name} | {value:.4f} |" for name, value in rows.items()]
    head = [f"| on the {metrics['split']} split, {metrics['examples']} examples | |", "|---|---|"] if metrics else []
    return "\n".join(
        [
            "---",
            "library_name: keras",
            f"tags: [{'text-generation' if reply else 'summarization'}, tlkit]",
            "---",
            "",
            f"# {backbone['name']}, fine-tuned to write a {facts['target']['name']}",
            "",
            f"Made by transfer learning with tlkit {facts['versions']['tlkit']}.",
            "",
            f"- Backbone: {backbone['name']}, {backbone['params']:,} parameters, {weights['source'] or 'no source'}",
            f"- Pretrained weights: {weights['origin']}",
            f"- Licence of these weights: {weights['licence'] or 'not stated'}",
            f"- Input: a {what} is not read where it is too long, {given['size']} tokens in all",
            f"- Output: at most {given['length']} tokens, sampling: {sampling['sampler']}",
            "",
            "## Figures",
            "",
            *(head + table or ["The model was exported without an evaluation."]),
            "",
            "## Use",
            "",
            "```python",
            "import tensorflow as tf",
            "import tensorflow_text  # the tokenizer's operations",
            'model = tf.saved_model.load("saved_model/1")',
            'answer = model.signatures["generate"](text=tf.constant(["..."]))',
            'print(answer["text"].numpy()[0].decode())',
            "```",
            "",
        ]
    )
