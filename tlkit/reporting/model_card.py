"""The model card: the README.md of an artifact, in the form that model hubs read, filled from the run.

The form is that of Hugging Face (https://huggingface.co/docs/hub/model-cards): a block of metadata, then what the model
is, what it is for, its limits, what it was trained on, how good it is, how it is loaded. A chapter of which nothing is
known is left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tlkit.evaluation.report_base import called
from tlkit.reporting import verdicts
from tlkit.tasks import registry
from tlkit.utils.escaping import line, markdown, yaml
from tlkit.utils.text_format import blocks

MAX_LABELS_LISTED = 50  # labels that are written out
# what hubs file models under
FILED = {
    "image-classification", "text-classification", "token-classification", "tabular-classification",
    "tabular-regression", "text-generation", "summarization",
}  # fmt: skip
LICENCES = {"Apache-2.0", "MIT", "BSD-3-Clause", "BSD-2-Clause", "CC-BY-4.0", "CC-BY-SA-4.0", "CC0-1.0"}
OF_TRAINING = {"sound", "idle", "unfinished", "unfreeze", "little"}  # verdicts that say nothing to who uses a model


def write(facts: Mapping[str, Any], story: Any = None) -> str:
    """Write the model card in Markdown, with the metadata block that model hubs read.

    Args:
        facts: what `tlkit.json` says.
        story: a `tlkit.reporting.report_page.Story`, for what that does not: intervals, data, training.
    """
    given, backbone = facts["input"], facts["backbone"]
    target = facts["target"]["name"]
    chapters = {
        "Model": _model(facts),
        "Intended use": _uses(given, target),
        "Limits": _limits(story, target),
        "Training data": _data(story),
        "Training": _training(story),
        "Figures": _figures(facts["metrics"], target, story),
        "How to load": _loading(given, target),
        "To make it again": _again(story),
    }
    title = f"# {markdown(backbone['name'])} + {markdown(facts['head'])}, {_count(facts)}"
    lines = [*_metadata(facts, story), "", title, ""]
    lines += [f"{_kind(facts)} made by transfer learning with tlkit {markdown(facts['versions']['tlkit'])}."]
    for name, chapter in chapters.items():
        if told := list(chapter):
            lines += ["", f"## {name}", "", *told]
    return "\n".join([*lines, ""])


def _kind(facts: Mapping[str, Any]) -> str:
    taken = {"prompt": "text", "table": "table"}.get(facts["input"]["kind"], facts["input"]["kind"])
    return f"{'An' if taken[0] in 'aeiou' else 'A'} {taken} {registry.target(facts['target']['name']).card.maker}"


def _count(facts: Mapping[str, Any]) -> str:
    labels, card = facts["labels"], registry.target(facts["target"]["name"]).card
    return card.counted.format(count=len(labels), name=markdown(labels[0]))


def _metadata(facts: Mapping[str, Any], story: Any) -> Iterator[str]:
    """Yield the block of metadata, in which every text of the run or the artifact is a quoted string of YAML."""
    target, metrics, licence = facts["target"]["name"], facts["metrics"], facts["weights"]["licence"]
    kind = {"prompt": "text", "table": "tabular"}.get(facts["input"]["kind"], facts["input"]["kind"])
    filed = registry.target(target).card.filed.format(kind=kind)
    yield "---"
    yield "library_name: keras"
    if licence:
        known = licence.lower() if licence in LICENCES else "other"
        yield f"license: {known}  # of the pretrained weights; say here what holds for yours"
    if filed in FILED:
        yield f"pipeline_tag: {filed}"
    yield f"tags: [{filed}, tlkit]"
    yield f"base_model: {yaml(facts['backbone']['name'])}"
    if metrics is not None:
        name = Path(story.data.source).name if story is not None and story.data is not None else "not stated"
        yield "model-index:"
        yield f"  - name: {yaml(facts['backbone']['name'] + ' + ' + facts['head'])}"
        yield "    results:"
        yield f"      - task: {{type: {filed}}}"
        told = {"name": name, "type": name, "split": metrics["split"]}
        yield f"        dataset: {{{', '.join(f'{key}: {yaml(value)}' for key, value in told.items())}}}"
        yield "        metrics:"
        for key, value in _own(metrics).items():
            figure = json.dumps(round(value, 6) if math.isfinite(value) else None)
            yield f"          - {{type: {yaml(key)}, value: {figure}}}"
    yield "---"


def _own(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if name not in ("split", "examples")}


def _named(names: Sequence[str]) -> str:
    more = [f"and {len(names) - MAX_LABELS_LISTED} more (see tlkit.json)"] if len(names) > MAX_LABELS_LISTED else []
    return ", ".join([*map(markdown, names[:MAX_LABELS_LISTED]), *more])


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    told = [f"| {' | '.join(markdown(str(cell)) for cell in row)} |" for row in rows]
    return [f"| {' | '.join(map(markdown, heads))} |", f"|{'---|' * len(heads)}", *told]


# === What it is ===


def _model(facts: Mapping[str, Any]) -> Iterator[str]:
    backbone, weights, target = facts["backbone"], facts["weights"], facts["target"]["name"]
    source = markdown(weights["source"] or "no source")
    yield f"- Backbone: {markdown(backbone['name'])}, {backbone['params']:,} parameters, {source}"
    yield f"- Head: {markdown(facts['head'])}"
    yield f"- Pretrained weights: {markdown(weights['origin'])}"
    yield f"- Licence of these weights: {markdown(weights['licence'] or 'not stated')}"
    yield f"- Input: {_input(facts['input'], target)}"
    yield f"- Answer: {registry.target(target).card.answer}"
    if noun := registry.target(target).card.labels:
        yield f"- {noun}: {_named(facts['labels'])}"
    if (temperature := facts["target"].get("temperature", 1.0)) != 1:
        yield f"- Probabilities: calibrated, the scores divided by a temperature of {temperature:.3f}"


def _input(given: Mapping[str, Any], target: str) -> str:
    if given["kind"] == "prompt":
        what = "a prompt, whose beginning" if target == "reply" else "a document, whose end"
        more = f"; at most {given['length']} tokens are written, sampling: {markdown(given['sampling']['sampler'])}"
        return f"{what} is not read where it is too long, {given['size']} tokens in all{more}"
    if given["kind"] == "text":
        what = "pairs of strings" if given.get("segments") == 2 else "strings"
        return f"{what}, cut after {given['size']} tokens"
    if given["kind"] == "table":
        return f"rows of cells as they are written, empty where missing: {_named(given['columns'])}"
    how = f"brought to {given['size']} pixels by {markdown(given['resize'])}"
    return f"encoded pictures (JPEG, PNG, WebP, BMP, GIF), {how}"


def _uses(given: Mapping[str, Any], target: str) -> Iterator[str]:
    what = {"image": "pictures", "text": "texts", "prompt": "texts", "table": "rows"}[given["kind"]]
    strays = registry.target(target).card.strays
    yield f"For {what} of the kind it was trained on, and for what was measured below. {strays}"
    yield ""
    yield "Where a wrong answer would do harm, let a person look at it before anything follows from it."


def _limits(story: Any, target: str) -> Iterator[str]:
    """Say what stood out in the run."""
    if story is None:
        return
    phases = () if story.history is None else story.history.phases
    for finding in verdicts.judge(story.report, phases, story.data, story.amounts):
        if finding.code not in OF_TRAINING:
            yield f"- {markdown(finding.title)}"
    known = "" if story.data is None else story.data.splitting
    yield from (f"- {markdown(note)}" for note in story.report.notes if note != known)


def _data(story: Any) -> Iterator[str]:
    data = None if story is None else story.data
    if data is None:
        return
    source = Path(data.source).name if Path(data.source).is_absolute() else data.source
    sizes = ", ".join(f"{name} {len(split):,}" for name, split in data.splits().items())
    yield f"- Source: {markdown(source)}; licence: {markdown(data.licence or 'not stated')}"
    yield f"- Examples: {sizes}. {markdown(data.splitting)}"
    if data.unreadable:
        yield f"- Left out, as they could not be read: {len(data.unreadable):,}"
    yield from (
        f"- {markdown(told['severity'].capitalize())}: {markdown(told['title'])}"
        for told in story.ledger.get("findings", ())
    )


def _training(story: Any) -> Iterator[str]:
    for phase in () if story is None or story.history is None else story.history.phases:
        opened = {0: "the head alone", "all": "everything"}.get(
            phase["unfreeze"], f"the head and {blocks(phase['unfreeze'])}"
        )
        yield (
            f"- Phase {markdown(phase['name'])}: {opened}, {phase['trainable']:,} parameters trained and "
            f"{phase['frozen']:,} frozen, {phase['seconds']:.0f} s; the weights of epoch {phase['best_epoch']} are kept"
        )


# === How good it is, how it is used ===


def _figures(metrics: Mapping[str, Any] | None, target: str, story: Any) -> Iterator[str]:
    if metrics is None:
        yield "The model was exported without an evaluation."
        return
    edges = {} if story is None else story.edges
    rows = []
    for name, value in _own(metrics).items():
        low, high = edges.get(name, (None, None))
        rows.append((called(name, target), f"{value:.4f}", "" if low is None else f"{low:.4f} to {high:.4f}"))
    heads = (f"on the {metrics['split']} split, {metrics['examples']} examples", "", "95 % interval" if edges else "")
    yield from _table(heads if edges else heads[:2], rows if edges else [row[:2] for row in rows])
    each = [] if story is None else list(story.report.rows)
    if each:
        names = [name for name in ("precision", "recall", "f1") if name in each[0]]
        yield ""
        told = [
            (row["label"], *(f"{row[name]:.3f}" for name in names), row["support"]) for row in each[:MAX_LABELS_LISTED]
        ]
        yield from _table(("", *names, "examples"), told)
        if len(each) > MAX_LABELS_LISTED:
            yield f"\nand {len(each) - MAX_LABELS_LISTED} more (see report.json)"
    if covered := {} if story is None else getattr(story.report, "calibration", {}).get("coverage", ()):
        yield "\nA model that answers only where it is sure enough (`threshold=` of `Artifact.predict`):\n"
        known = [row for row in covered if row["accuracy"] is not None]
        told = [(f"{row['threshold']:.0%}", f"{row['coverage']:.1%}", f"{row['accuracy']:.1%}") for row in known]
        yield from _table(("at least so sure", "answers", "right of these"), told)


def _loading(given: Mapping[str, Any], target: str) -> list[str]:
    text = '["...", "..."]' if given.get("segments") == 2 else '"..."'
    ops = "import tensorflow_text  # the tokenizer's operations"
    extra, argument = {
        "text": ([ops], f"text=tf.constant([{text}])"),
        "prompt": ([ops], 'text=tf.constant(["..."])'),
        "image": (['photo = open("photo.jpg", "rb").read()'], "image_bytes=tf.constant([photo])"),
        "table": (['rows = [["...", "..."]]  # a cell for each column, in order'], "cells=tf.constant(rows)"),
    }[given["kind"]]
    return [
        "```python",
        "import tensorflow as tf",
        *extra,
        'model = tf.saved_model.load("saved_model/1")',
        f'answer = model.signatures["{"generate" if given["kind"] == "prompt" else "serving_default"}"]({argument})',
        f"print({registry.target(target).card.shown})",
        "```",
        "",
        "With tlkit, `tlkit.load(folder).predict(items)` answers, and checks that the files are what was exported.",
    ]


def _again(story: Any) -> Iterator[str]:
    told = {} if story is None else story.ledger
    if command := told.get("command"):
        yield f"    {line(command)}"  # code, in which nothing else is markup
        versions = ", ".join(f"{name} {value}" for name, value in told.get("environment", {}).items())
        yield from ("", markdown(versions)) if versions else ()
