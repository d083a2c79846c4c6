"""Runs side by side: the table, the tests by hand, and what cannot be compared."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import wilcoxon

import tlkit
from tests.helpers import made_up_runs
from tests.helpers.page_structure import Structure
from tlkit.cli import commands
from tlkit.errors import InputError, RunError
from tlkit.utils import files

N = 40
Make = Callable[..., Path]


def table(path: Path, rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return what writes a made-up run; `values` are those of the first column of its answers, or None for no file."""

    def write(
        name: str, values: Sequence[float] | None, of: str = "right", target: str = "label", **more: object
    ) -> Path:
        out = tmp_path / name
        out.mkdir()
        digests = [f"{number:064x}" for number in more.get("digests", range(N))]
        phases = [{"name": "head", "trainable": 1234, "seconds": 1.0}]
        told = {"schema": 1, "status": more.get("status", "finished"), "data": more.get("data", "f" * 64)}
        told |= {
            "settings": {"epochs": [7], "learning_rate": [1e-3], "size": 32, "seed": 3},
            "figures": {"accuracy": 0.5},
        }
        files.write_json(out / "run.json", told | {"history": {"phases": phases, "seconds": 2.5}})
        made = {"backbone": {"name": more.get("backbone", "vgg16")}, "head": "pool_dense", "weights": {"origin": "own"}}
        files.write_json(out / "tlkit.json", made)
        files.write_json(out / "report.json", {"target": target, "n": len(digests)})
        placed = [(f"{digest}.png", "cat", "test", digest) for digest in digests]
        table(out / "splits.csv", [("example", "label", "split", "digest"), ("0.png", "cat", "train", "ff"), *placed])
        if values is not None:
            table(out / "answers.csv", [("digest", of), *zip(digests, values, strict=True)])
        return out

    return write


def right(wrong: Sequence[int]) -> list[int]:
    return [int(number not in wrong) for number in range(N)]


# === Tests of the difference ===


def test_mcnemar_by_hand(make: Make) -> None:
    # the second is wrong where the first is right ten times, the other way round once: 2 * (1 + 11) / 2 ** 11
    found = tlkit.compare([make("a", right([39])), make("b", right(range(10)))])
    (one,) = found.tests
    assert found.best == 0 and found.mean == 39 / 40 and one.mean == 30 / 40
    assert (one.only_best, one.only_this) == (10, 1)
    assert one.p == one.corrected == pytest.approx(24 / 2048) and one.differs
    assert "/a, 97.5% right" in str(found) and "better on 1, worse on 10 examples" in str(found)
    assert "p = 0.0117, corrected 0.0117: the difference is more than chance" in str(found)


def test_what_may_be_chance(make: Make) -> None:
    found = tlkit.compare([make("a", right([1, 2, 3])), make("b", right([4]))])
    assert found.best == 1 and found.tests[0].p == pytest.approx(2 * (1 + 4) / 16) and not found.tests[0].differs
    assert "may be chance" in str(found)
    same = tlkit.compare([make("c", right([1])), make("d", right([1]))])
    assert same.best == 0 and same.tests[0].p == 1.0


def test_holm_makes_three_runs_harder(make: Make) -> None:
    runs = [make("a", right([])), make("b", right(range(6))), make("c", right(range(20, 27)))]
    found = tlkit.compare(runs)
    p = {Path(one.directory).name: (one.p, one.corrected) for one in found.tests}
    assert p["b"][0] == pytest.approx(2 / 2**6) and p["c"][0] == pytest.approx(2 / 2**7)
    assert p["c"][1] == pytest.approx(4 / 2**7) and p["b"][1] == pytest.approx(2 / 2**6)
    alone = tlkit.compare(runs[:2])
    assert alone.tests[0].corrected == alone.tests[0].p


@pytest.mark.parametrize(
    ("target", "of"),
    [("value", "error"), ("tags", "loss"), ("entities", "missed"), ("reply", "loss"), ("summary", "loss")],
)
def test_errors_and_losses_by_ranks(make: Make, target: str, of: str) -> None:
    rng = np.random.default_rng(0)
    low = rng.uniform(1, 2, N)
    high, mixed = low + 0.1 + rng.uniform(0, 0.01, N), low + rng.normal(0, 0.1, N)
    found = tlkit.compare([make("high", high, of, target), make("low", low, of, target)])
    assert found.best == 1 and found.tests[0].p == pytest.approx(wilcoxon(low, high).pvalue) and found.tests[0].differs
    assert found.tests[0].only_best == N and f"mean {of}" in str(found) and "Wilcoxon" in str(found)
    other = tlkit.compare([make("low2", low, of, target), make("mixed", mixed, of, target)])
    assert other.tests[0].p > 0.05 and not other.tests[0].differs


def test_the_order_of_the_examples_does_not_matter(make: Make) -> None:
    back = list(reversed(range(N)))
    found = tlkit.compare([make("a", right([3])), make("b", right([3])[::-1], digests=back)])
    assert found.tests[0].only_best == found.tests[0].only_this == 0


# === No test ===


def test_other_test_examples_give_a_table_alone(make: Make) -> None:
    found = tlkit.compare([make("a", right([])), make("b", right([]), digests=range(1, N + 1))])
    assert found.tests == () and found.best is None
    assert "there is no test" in found.notes[0] and "other test examples" in found.notes[0]
    assert f"--splits {found.runs[0].directory}/splits.csv" in found.notes[0] and "vgg16" in str(found)


def test_other_training_data_are_named(make: Make) -> None:
    found = tlkit.compare([make("a", right([])), make("b", right([]), data="e" * 64)])
    assert len(found.tests) == 1 and "learned from other examples" in found.notes[0]


def test_answers_that_were_not_kept(make: Make) -> None:
    found = tlkit.compare([make("a", right([])), make("b", None)])
    assert not found.tests and "b has no answers.csv" in found.notes[0] and "train it again" in found.notes[0]


# === What is refused ===


def test_too_few_or_the_same(make: Make) -> None:
    a = make("a", right([]))
    with pytest.raises(InputError, match="1 run to compare; name the directories of two or more"):
        tlkit.compare([a])
    with pytest.raises(InputError, match=r"a is named twice; name other runs"):
        tlkit.compare([a, a.parent / "x" / ".." / "a"])


def test_what_is_no_finished_run(make: Make, tmp_path: Path) -> None:
    a = make("a", right([]))
    with pytest.raises(RunError, match=r"nowhere holds no run of tlkit"):
        tlkit.compare([a, tmp_path / "nowhere"])
    with pytest.raises(RunError, match=r"b is not finished; finish it with: tlkit train --resume .*b"):
        tlkit.compare([a, make("b", None, status="running")])


def test_other_targets(make: Make) -> None:
    with pytest.raises(InputError, match=r"b learned the target value, .*a label; compare runs of one target"):
        tlkit.compare([make("a", right([])), make("b", [1.0] * N, "error", "value")])


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("report.json", '{"target": 5, "n": 40}', "target is of type int, not str"),
        ("report.json", '{"target": "song", "n": 40}', "target is 'song'"),
        ("report.json", '{"target": "label", "n": 41}', "40 test examples, of 41 that were measured"),
        ("tlkit.json", "{}", "backbone is missing"),
        ("splits.csv", "example,label\n", "0 test examples"),
        ("splits.csv", "example,label\na,b\n", "a row has no digest"),
        ("answers.csv", "digest,right\n00,1\n", "its examples are not those of splits.csv"),
        ("answers.csv", "digest,loss\n00,1\n", "a row has no right"),
    ],
)
def test_damaged_files_are_named(make: Make, name: str, content: str, fault: str) -> None:
    runs = [make("a", right([])), make("b", right([]))]
    (runs[1] / name).write_text(content)
    with pytest.raises(RunError, match=rf"b/\w+\.\w+ is damaged \({fault}.*restore it"):
        tlkit.compare(runs)


@pytest.mark.parametrize(("value", "fault"), [("nan", "out of range"), ("2", "out of range"), ("yes", "yes")])
def test_answers_that_cannot_be(make: Make, value: str, fault: str) -> None:
    runs = [make("a", right([])), make("b", [value] * N)]
    with pytest.raises(RunError, match=rf"b/answers.csv is damaged .*{fault}"):
        tlkit.compare(runs)


def test_a_file_that_is_gone(make: Make) -> None:
    runs = [make("a", right([])), make("b", right([]))]
    (runs[1] / "splits.csv").unlink()
    with pytest.raises(RunError, match=r"cannot read .*b/splits.csv .*train it again"):
        tlkit.compare(runs)


@pytest.mark.parametrize("name", ["run.json", "tlkit.json", "report.json", "splits.csv", "answers.csv"])
def test_links_out_of_a_run_are_not_followed(make: Make, tmp_path: Path, name: str) -> None:
    runs = [make("a", right([])), make("b", right([]))]
    (runs[1] / name).rename(tmp_path / "elsewhere")
    (runs[1] / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match=rf"cannot read .*b/{name} ?.*it is a link that leads out of .*b"):
        tlkit.compare(runs)
    (runs[1] / name).unlink()
    (runs[1] / name).symlink_to("/dev/null")
    with pytest.raises(RunError, match=rf"cannot read .*b/{name} ?.*it is a link that leads out of .*b"):
        tlkit.compare(runs)


def test_figures_that_are_not_finite(make: Make) -> None:
    runs = [make("a", right([])), make("b", right([]))]
    for number, text in enumerate(("NaN", "1e999")):
        told = (runs[number] / "run.json").read_text()
        (runs[number] / "run.json").write_text(told.replace('"accuracy": 0.5', f'"accuracy": {text}'))
    found = tlkit.compare(runs)
    assert [run.figures for run in found.runs] == [{"accuracy": None}] * 2 and "accuracy" in str(found)
    assert "NaN" not in json.dumps(found.to_dict()) and "Infinity" not in json.dumps(found.to_dict())
    told = (runs[1] / "run.json").read_text()
    for huge, reason in (("1" + "0" * 400, "is a number of more than 63 bits"), ("1" * 5000, "is not valid JSON")):
        (runs[1] / "run.json").write_text(told.replace('"accuracy": 1e999', f'"accuracy": {huge}'))
        with pytest.raises(RunError, match=reason):
            tlkit.compare(runs)


# === How it is shown ===


def test_the_page_shows_hostile_words_as_text(make: Make, tmp_path: Path) -> None:
    found = tlkit.compare([make("a<b>&", right([1])), make("b", right([2]), backbone=made_up_runs.HOSTILE)])
    found.save(tmp_path / "x.html")
    page = Structure((tmp_path / "x.html").read_text("utf-8"))
    assert page.count("script") == page.count("img") == page.count("b") == page.count("link") == 0
    assert made_up_runs.HOSTILE in page.text and "a<b>&" in page.text and "default-src 'none'" in str(page.tags)
    assert "McNemar" in page.text and page.count("th") == 3 + len(found.rows())
    shown = Structure(found._repr_html_())  # in a notebook
    assert shown.count("script") == 0 and made_up_runs.HOSTILE in shown.text and shown.count("th") == page.count("th")


def test_a_notebook_shows_hostile_words_as_text(make: Make) -> None:
    found = tlkit.compare([make(f"a{made_up_runs.HOSTILE.replace('/', '')}", right([1])), make("b", right([2]))])
    page = Structure(found._repr_html_())
    assert page.count("script") == page.count("img") == 0 and page.count("th") == 3 + len(found.rows())
    assert all(not name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert made_up_runs.HOSTILE.replace("/", "") in page.text.replace("\n", " ") and "McNemar" in page.text


def test_a_terminal_is_shown_no_control_characters(make: Make) -> None:
    found = tlkit.compare([make("a", right([1])), make("b\x1b[2J", right([2]), backbone="\x1b[31m")])
    assert "\x1b" not in str(found) and "\\x1b[31m" in str(found)


def test_the_command(make: Make, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    words = ["compare", str(make("a", right([1]))), str(make("b", right([2])))]
    assert commands.main([*words, "--out", str(tmp_path / "x.html")]) == 0
    told = capsys.readouterr().out
    assert (
        "learning rate  0.001" in told
        and "accuracy" in told
        and "up to 7 epochs, 1,234 parameters" in told
        and (tmp_path / "x.html").exists()
    )
    assert commands.main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["of"] == "right" and found["tests"][0]["p"] == 1.0 and found["runs"][0]["figures"] == {"accuracy": 0.5}
    assert found["best"]["mean"] == 39 / 40 and found["tests"][0]["differs"] is False
    assert commands.main(words[:2]) == 2 and "1 run to compare" in capsys.readouterr().err
