"""The model card: metadata that a hub can read, and chapters filled from the run."""

from __future__ import annotations

import copy
import math
import re
from types import SimpleNamespace
from typing import Any

import pytest

from tests.helpers import made_up_runs
from tests.helpers.markdown_cards import Shown, rendered
from tlkit.models.generation import generators
from tlkit.reporting import model_card
from tlkit.utils import escaping

FACTS = {
    "labels": list(made_up_runs.labels(3)),
    "target": {"name": "label", "temperature": 1.3},
    "input": {"kind": "image", "resize": "crop", "size": 224, "normalise": "tf", "minimum": 32},
    "backbone": {"name": "vgg16", "blocks": [], "stem": "", "params": 14_714_688},
    "head": "flatten_dense",
    "weights": {"origin": "imagenet", "licence": "CC-BY-4.0", "source": "https://arxiv.org/abs/1409.1556"},
    "metrics": {"split": "test", "examples": 400, "accuracy": 0.9, "macro_f1": 0.88, "loss": 0.3},
    "versions": {"tlkit": "1.0"},
}
PROMPT = {"kind": "prompt", "resize": "crop", "size": 128, "length": 64, "sampling": {"sampler": "greedy"}}
COLUMNS = {"kind": "table", "resize": "crop", "columns": ["age", "<job>"]}


def parts(text: str) -> tuple[dict[str, Any], str]:
    """Return the metadata, which must be YAML, and the rest."""
    yaml = pytest.importorskip("yaml")
    _, head, body = text.split("---\n", 2)
    return yaml.safe_load(head), body


def test_the_metadata_is_what_hubs_read() -> None:
    head, _ = parts(model_card.write(FACTS, made_up_runs.story(3)))
    filed = ("keras", "cc-by-4.0", "image-classification")
    assert (head["library_name"], head["license"], head["pipeline_tag"]) == filed
    assert head["base_model"] == "vgg16" and head["tags"] == ["image-classification", "tlkit"]
    (result,) = head["model-index"][0]["results"]
    assert result["dataset"] == {"name": "images", "type": "images", "split": "test"}
    assert {"type": "accuracy", "value": 0.9} in result["metrics"]


def test_the_chapters_are_filled_from_the_run() -> None:
    told = made_up_runs.story(3)
    _, body = parts(model_card.write(FACTS, told))
    assert re.findall("^## (.*)$", body, re.MULTILINE) == [
        "Model", "Intended use", "Limits", "Training data", "Training", "Figures", "How to load", "To make it again",
    ]  # fmt: skip
    low, high = told.edges["accuracy"]
    for words in (
        "14,714,688 parameters", "Licence of these weights: CC-BY-4.0", "a temperature of 1.300", "it overfits",
        "train 108, val 36, test 36", "3 pictures stand twice", "the head and 2 blocks, 1,202,562 parameters trained",
        f"| accuracy | 0.9000 | {low:.4f} to {high:.4f} |", "| class 001 | ", "right of these", "tlkit train photos",
        "names one of its labels", "model.signatures",
    ):  # fmt: skip
        assert words in body, words


def test_nothing_in_it_is_markup() -> None:
    text = model_card.write(FACTS, made_up_runs.story(3))
    assert r"\<script\>" in text and not re.search(r"(?<!\\)<\w", text) and "/home/me" not in text


def hostile(text: str, kind: str = "image") -> tuple[dict[str, Any], Any]:
    """Return what a card is written from, with a text in every place where a stranger's can stand."""
    facts, told = copy.deepcopy(FACTS), made_up_runs.story(3)
    facts |= {"labels": [text, "b", text], "head": text, "versions": {"tlkit": text}}
    facts["weights"] = {"origin": text, "licence": text, "source": text}
    facts["backbone"]["name"] = text
    facts["metrics"]["split"] = text
    given = {"image": {"resize": text}, "table": {"kind": "table", "columns": [text, "b"]}}
    given |= {"prompt": PROMPT | {"sampling": {"sampler": text}}}
    facts["input"] = facts["input"] | given[kind]
    facts["target"] = {"image": facts["target"], "table": {"name": "value"}, "prompt": {"name": "reply"}}[kind]
    finding = {"severity": "warning", "title": text}
    ledger = {"findings": [finding], "environment": {text: text}, "command": f"tlkit train {text}"}
    rows = [row | {"label": text} for row in told.report.rows]
    parts = {name: getattr(told.data, name) for name in ("splits", "unreadable")}
    data = SimpleNamespace(source=text, licence=text, splitting=f"{text} drawn", **parts)
    phases = [phase | {"name": text} for phase in told.history.phases]
    report = SimpleNamespace(rows=rows, notes=(text,), calibration=told.report.calibration)
    history = SimpleNamespace(phases=phases)
    return facts, SimpleNamespace(report=report, data=data, history=history, ledger=ledger, edges={}, amounts=())


STRANGE = [
    "a: b\n---\nlicense: mit", "<script>alert(1)</script>", "<img src=x onerror=y>", "<!-- a",
    "![x](http://a.example/b.png)", "[x](javascript:y)", "[x]: http://a.example", "`code` ``", "```\nx",
    "~~~\nx", "a | b || c|", "$x^2$ $$y$$", "&lt;b&gt; &#60;", "# a #", "- a", "+ a", "1. a", "1) a", "> a",
    "    a", "---", "===", "*a* __b__ ~~c~~ ==d==", "https://a.example www.a.example",
    "<https://a.example> <a@b.example>", "\x1b[2J\x9b\u202e\u2028", "a  \nb", "a\\", "\\|", "@user #1 :smile:",
    "\ud800 \ufeff\x85", "a\r\n\r\n## Model\n\nb", "{{a}} {% b %}", "'\"", "🙂 \ud83d\ude42",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["image", "table", "prompt"])
def test_nothing_is_made_of_a_strangers_text(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(text: str) -> tuple[dict[str, Any], Shown]:
        found = [SimpleNamespace(code="x", title=text)]
        monkeypatch.setattr(model_card.verdicts, "judge", lambda *_: found)  # it would need a whole report
        told = model_card.write(*hostile(text, kind))
        told.encode()
        head, body = parts(told)
        return head, rendered(body)

    usual = write("PLACE")[1]
    assert usual.text.count("PLACE") >= 12
    for text in STRANGE:
        head, shown = write(text)
        assert shown.elements == usual.elements, text
        assert shown.text.split() == usual.text.replace("PLACE", escaping.line(text)).split(), text
        assert head["base_model"] == text and head["model-index"][0]["name"] == f"{text} + {text}"
        assert head["model-index"][0]["results"][0]["dataset"]["split"] == text
        assert (head["license"], head["library_name"]) == ("other", "keras")


def test_the_metadata_takes_any_name_of_a_figure_and_no_infinity() -> None:
    metrics = {"split": "test", "examples": 3, "a: b\n---": 0.5, "loss": math.inf}
    head, _ = parts(model_card.write(FACTS | {"metrics": metrics}))
    told = [{"type": "a: b\n---", "value": 0.5}, {"type": "loss", "value": None}]
    assert head["model-index"][0]["results"][0]["metrics"] == told


def test_without_a_run_the_chapters_that_need_one_are_left_out() -> None:
    head, body = parts(model_card.write(FACTS | {"metrics": None}))
    assert "model-index" not in head and "exported without an evaluation" in body
    assert re.findall("^## (.*)$", body, re.MULTILINE) == ["Model", "Intended use", "Figures", "How to load"]


@pytest.mark.parametrize(
    ("target", "given", "licence", "tag", "words"),
    [
        ({"name": "reply", "size": 128}, PROMPT, "MIT", "text-generation", 'model.signatures["generate"]'),
        ({"name": "summary", "size": 128}, PROMPT, "", "summarization", "a document, whose end is not read"),
        ({"name": "value", "mean": 0.0, "scale": 1.0}, COLUMNS, "see its source", "tabular-regression", r"\<job\>"),
        ({"name": "tags"}, FACTS["input"], "", "image-classification", "any number of tags"),
        ({"name": "value", "mean": 0.0, "scale": 1.0}, FACTS["input"], "", None, "An image regressor"),
    ],
)
def test_other_models(target: dict, given: dict, licence: str, tag: str | None, words: str) -> None:
    facts = FACTS | {"target": target, "input": given, "labels": ["price"]}
    facts |= {"weights": FACTS["weights"] | {"licence": licence}}
    report = SimpleNamespace(rows=(), target=target["name"], notes=("a note",), n=200, history=())
    story = SimpleNamespace(report=report, data=None, history=None, ledger={}, edges={}, amounts=())
    head, body = parts(model_card.write(facts, story))
    assert head.get("pipeline_tag") == tag and words in body and "- a note" in body
    assert head.get("license") == {"MIT": "mit", "": None, "see its source": "other"}[licence]


# === Licences ===


def test_a_licence_is_a_name_that_hubs_know_or_says_what_it_restricts() -> None:
    rows = generators.rows()
    told = {
        row.licence: row.input.family for row in rows.values() if row.licence and row.licence not in model_card.LICENCES
    }
    assert told == {
        "Modified MIT": "gpt2",
        "OPT-175B licence, non-commercial research only": "opt",
        "BigScience RAIL 1.0, some uses forbidden": "bloom",
    }


@pytest.mark.parametrize(
    ("name", "licence"),
    [
        ("resnet50", "MIT"),
        ("resnet50_v2", "BSD-3-Clause"),
        ("bart_base_en", "Apache-2.0"),
        ("bart_large_en_cnn", "MIT"),
    ],
)
def test_relatives_of_other_publishers_have_their_own_licences(name: str, licence: str) -> None:
    assert generators.rows()[name].licence == licence
