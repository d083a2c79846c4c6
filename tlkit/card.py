"""The model card: the README.md of an artifact, written from its facts."""

from __future__ import annotations

from typing import Any

from tlkit.measured import called

LISTED = 50  # labels that are written out
# by what the model answers: what a hub files it under, what it is, how its labels are called, and what to look at
KINDS = {
    "label": ("classification", "classifier", "Labels", 'answer["label"], answer["top_k_probabilities"]'),
    "tags": ("classification", "tagger", "Tags", 'answer["chosen"], answer["probabilities"]'),
    "value": ("regression", "regressor", "Value", 'answer["value"]'),
    "entities": ("token-classification", "tagger of words", "Tags", 'answer["tokens"], answer["tags"]'),
}
ANSWERS = {
    "label": "one label, the most probable, with the probabilities of all",
    "tags": "any number of tags, those with a probability of at least a half; `chosen` and `probabilities` are in the "
    "order of the tags below",
    "value": "a number, in the unit of the training data",
    "entities": "a tag for each word, which whitespace separates: `tokens`, `tags` and the `probabilities` of these",
}


def write(facts: dict[str, Any]) -> str:
    """Write the model card in Markdown, with the metadata block that model hubs read.

    Args:
        facts: what `tlkit.json` says.
    """
    if facts["input"]["kind"] == "prompt":
        return _of_writer(facts)
    backbone, weights, given = facts["backbone"], facts["weights"], facts["input"]
    labels, target = [_escape(label) for label in facts["labels"]], facts["target"]["name"]
    filed, kind, noun, _ = KINDS[target]
    count = {"label": f"{len(labels)} classes", "value": f"value {labels[0]}"}.get(target, f"{len(labels)} tags")
    more = [f"and {len(labels) - LISTED} more (see tlkit.json)"] if len(labels) > LISTED else []
    return "\n".join(
        [
            "---",
            "library_name: keras",
            f"tags: [{given['kind']}-{filed}, tlkit]",
            "---",
            "",
            f"# {backbone['name']} + {facts['head']}, {count}",
            "",
            f"A {given['kind']} {kind} made by transfer learning with tlkit {facts['versions']['tlkit']}.",
            "",
            f"- Backbone: {backbone['name']}, {backbone['params']:,} parameters, {weights['source'] or 'no source'}",
            f"- Pretrained weights: {weights['origin']}",
            f"- Licence of these weights: {weights['licence'] or 'not stated'}",
            f"- Input: {_input(given)}",
            f"- Answer: {ANSWERS[target]}",
            f"- {noun}: {', '.join([*labels[:LISTED], *more])}",
            "",
            "## Figures",
            "",
            *_figures(facts["metrics"], target),
            "",
            "## Use",
            "",
            *_use(given, target),
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
    if given["kind"] == "table":
        names = [_escape(name) for name in given["columns"]]
        more = [f"and {len(names) - LISTED} more (see tlkit.json)"] if len(names) > LISTED else []
        return f"rows of cells as they are written, empty where missing: {', '.join([*names[:LISTED], *more])}"
    return f"encoded pictures (JPEG, PNG, WebP, BMP, GIF), brought to {given['size']} pixels by {given['resize']}"


def _figures(metrics: dict[str, Any] | None, target: str) -> list[str]:
    if metrics is None:
        return ["The model was exported without an evaluation."]
    figures = {called(name, target): value for name, value in metrics.items() if name not in ("split", "examples")}
    return [
        f"| on the {metrics['split']} split, {metrics['examples']} examples | |",
        "|---|---|",
        *(f"| {_escape(name)} | {value:.4f} |" for name, value in figures.items()),
    ]


def _use(given: dict[str, Any], target: str) -> list[str]:
    text = '["...", "..."]' if given.get("segments") == 2 else '"..."'
    extra, argument = {
        "text": (["import tensorflow_text  # the tokenizer's operations"], f"text=tf.constant([{text}])"),
        "image": (['photo = open("photo.jpg", "rb").read()'], "image_bytes=tf.constant([photo])"),
        "table": (['rows = [["...", "..."]]  # a cell for each column, in order'], "cells=tf.constant(rows)"),
    }[given["kind"]]
    return [
        "```python",
        "import tensorflow as tf",
        *extra,
        'model = tf.saved_model.load("saved_model/1")',
        f'answer = model.signatures["serving_default"]({argument})',
        f"print({KINDS[target][3]})",
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
