"""The notebooks: the committed ones match their sources, and the sources run."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import nbformat
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
SOURCES = sorted((FOLDER / "src").glob("*.py"))
NAMES = [source.stem for source in SOURCES]
FIRST = ("first_steps_pictures", "first_steps_texts")
LABELS = {
    "first_steps_pictures": set("0123456789"),
    "first_steps_texts": {"business", "entertainment", "politics", "sports", "tech"},
    "saved_model_and_serving": set("0123456789"),
    "what_to_unfreeze": set(),  # it measures, and asks no model in the end
    "your_own_backbone_and_head": set("6789"),
}


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    """Return notebooks/build.py, which is a script, as a module."""
    found = importlib.util.spec_from_file_location("notebooks_build", FOLDER / "build.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def committed(name: str) -> nbformat.NotebookNode:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def text(book: nbformat.NotebookNode) -> list[str]:
    """Return what each code cell wrote."""
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    return ["".join(output.get("text", "") for output in cell.outputs) for cell in cells]


def answers(printed: str) -> list[str]:
    return re.findall(r"answer (\w+)", printed)


# === Committed notebooks ===


def test_there_are_notebooks() -> None:
    assert sorted(LABELS) == NAMES
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_notebook_matches_its_source(builder: ModuleType, name: str) -> None:
    assert builder.differences(FOLDER / "src" / f"{name}.py", FOLDER / f"{name}.ipynb") == []


@pytest.mark.parametrize("name", NAMES)
def test_notebook_was_executed_in_order_and_in_full(name: str) -> None:
    cells = [cell for cell in committed(name).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"stream", "display_data", "execute_result"}
    _check(name, text(committed(name)))


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_small_and_tidy(builder: ModuleType, name: str) -> None:
    book = committed(name)
    assert builder.tidy(book, FOLDER.parent, Path.home()) == []
    assert (FOLDER / f"{name}.ipynb").stat().st_size < 300_000


# === The builder ===


def test_a_changed_source_is_noticed(builder: ModuleType, tmp_path: Path) -> None:
    source = tmp_path / "first.py"
    source.write_text("# %% [markdown]\n# One\n\n# %%\nprint(2)\n", "utf-8")
    notebook = tmp_path / "first.ipynb"
    assert builder.differences(source, notebook) == ["first.ipynb is missing"]
    nbformat.write(builder.convert(source), notebook)
    assert builder.differences(source, notebook) == []
    source.write_text("# %% [markdown]\n# One\n\n# %%\nprint(3)\n\n# %%\nprint(4)\n", "utf-8")
    told = ["first.ipynb has 2 cells, first.py has 3", "cell 1 of first.ipynb differs"]
    assert builder.differences(source, notebook) == told


def test_converting_twice_gives_the_same_bytes(builder: ModuleType) -> None:
    first, second = (nbformat.writes(builder.convert(SOURCES[0])) for _ in range(2))
    assert first == second


def test_check_says_what_differs(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    shutil.copy(FOLDER / "build.py", tmp_path)
    (tmp_path / "src" / "one.py").write_text("# %%\nprint(1)\n", "utf-8")
    command = [sys.executable, str(tmp_path / "build.py")]
    done = subprocess.run([*command, "--check"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "one.ipynb is missing\nrun `make notebooks`\n")
    done = subprocess.run([sys.executable, str(FOLDER / "build.py"), "--check"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "the notebooks match their sources\n")
    done = subprocess.run([*command, "two"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "no source two; there are: one" in done.stderr


def _book(*outputs: nbformat.NotebookNode) -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(outputs=list(outputs), id="cell-00")])


def test_tidy_returns_what_was_written_to_stderr(builder: ModuleType) -> None:
    kept = nbformat.v4.new_output("stream", name="stdout", text="a result\n")
    book = _book(nbformat.v4.new_output("stream", name="stderr", text="noise\n"), kept)
    assert builder.tidy(book) == ["noise\n"]
    assert book.cells[0].outputs == [kept]


def test_tidy_refuses_a_private_path(builder: ModuleType, tmp_path: Path) -> None:
    book = _book(nbformat.v4.new_output("stream", text=f"written to {tmp_path}/x\n"))
    with pytest.raises(builder.BuildError, match=r"an output of cell-00 shows the path .*; use a relative path"):
        builder.tidy(book, tmp_path)


def test_tidy_refuses_a_large_picture(builder: ModuleType) -> None:
    book = _book(nbformat.v4.new_output("display_data", data={"image/png": "A" * 140_000}))
    with pytest.raises(builder.BuildError, match="a picture of cell-00 is larger than 100 kB; draw it smaller"):
        builder.tidy(book)


# === Running them ===


def _run(builder: ModuleType, name: str, folder: Path) -> tuple[list[str], float]:
    book = builder.convert(FOLDER / "src" / f"{name}.py")
    seconds = builder.execute(book, folder)
    return text(book), seconds


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_source_runs_in_its_smoke_form(
    builder: ModuleType, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TLKIT_SMOKE", "1")
    printed, _ = _run(builder, name, tmp_path)
    _check(name, printed)
    if name in FIRST:
        assert (tmp_path / "out" / name / "saved_model" / "1" / "saved_model.pb").is_file()


@pytest.mark.all
@pytest.mark.parametrize("name", NAMES)
def test_source_runs_in_full_in_five_minutes(
    builder: ModuleType, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TLKIT_SMOKE", raising=False)
    printed, seconds = _run(builder, name, tmp_path)
    _check(name, printed)
    _check_figures(name, "".join(printed))
    assert seconds < 300


# === What they have to show ===


def _check(name: str, printed: list[str]) -> None:
    """Check what is true of a notebook in its smoke form, too."""
    given = [answers(cell) for cell in printed]
    assert set().union(*given) <= LABELS[name]
    if name in FIRST:  # TensorFlow alone answers as tlkit does
        assert len(given[-1]) >= 5 and given[-1] == given[-2]
    if name == "saved_model_and_serving":  # a process of its own, the body of a request, and tlkit itself
        asked = [found for found in given if found]
        assert len(asked) == 3 and asked[0] == asked[1] == asked[2] and len(asked[0]) == 5
        text = "".join(printed)
        assert "serving_default: image_bytes" in text and "embedding" in text and '{"b64": "' in text
        assert "variables.data-00000-of-00001 was changed" in text
    if name == "your_own_backbone_and_head":
        assert len(given[-1]) == 6
        assert "head 'cls_dense' takes pooled, but backbone 'strokes' gives map" in "".join(printed)
    if name == "what_to_unfreeze":
        assert re.search(r"^ +0 +12,810 ", "".join(printed), re.M)  # the head alone: 1,280 features and 10 digits


def _check_figures(name: str, text: str) -> None:
    """Check what a notebook says of its own results."""
    if name in FIRST:
        found = dict(re.findall(r"(logistic regression|transfer learning) +([\d.]+)", text))
        assert float(found["transfer learning"]) > float(found["logistic regression"])
    if name == "saved_model_and_serving":
        assert float(re.search(r"same digit for ([\d.]+)", text)[1]) > 0.9
    if name == "your_own_backbone_and_head":
        found = dict(re.findall(r"from (random weights|the digits 0-5): +accuracy ([\d.]+)", text))
        assert min(map(float, found.values())) > 0.75 and len(found) == 2  # how near they lie differs by machine
    if name == "what_to_unfreeze":
        table = re.findall(r"^ +(\d) +[\d,]+ +([\d.]+) / ([\d.]+) / ([\d.]+)$", text, re.M)
        frozen, best = table[0][1:], [max(float(row[size]) for row in table) for size in (1, 2, 3)]
        gained = [opened - float(alone) for opened, alone in zip(best, frozen, strict=True)]
        assert gained[0] >= 0 and min(gained[1:]) > 0.02  # a hundred examples may not be enough to open anything
        assert float(re.search(r"test accuracy ([\d.]+)", text)[1]) > 0.95
