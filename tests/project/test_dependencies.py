"""What tlkit asks for, what is locked of it, and how it is installed."""

from __future__ import annotations

import ast
import functools
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from release import inventory, lock
from tests.helpers.requirements import DIGEST, OTHER, PINS, TOP, declared, own

# What is imported -> what it is called where it is installed from, where the two differ.
DISTRIBUTIONS = {
    "IPython": "ipython",
    "PIL": "pillow",
    "cyclonedx": "cyclonedx-python-lib",
    "google": "protobuf",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
}
# Declared although no module imports it.
UNIMPORTED = {
    "h5py": "Keras reads and writes .h5 with it",
    "importlib-resources": "tensorflow-datasets imports it on Python 3.11 and does not ask for it",
    "keras-nlp": "the older name of KerasHub, under which others know it",
}
# Imported where it is there: comparisons with other libraries, whose authors bring them (benchmarks/peers.txt).
OPTIONAL = {"torch", "transformers", "efficientnet-lite-pytorch", "tokenizers"}
# tlkit uses what these do not promise to keep.
INTERNALS = {
    "tensorflow": "the list of operations is made for one minor version",
    "keras": "the graph of a functional model (_nodes_by_depth, _keras_history, _flatten_layers)",
    "tensorflow-text": "its operations are on the list, and it must fit TensorFlow",
    "keras-hub": "keras_hub.src",
    "keras-nlp": "the same as keras-hub",
    "keras-cv": "its backbones on Keras 3, where it is no longer kept up",
    "kagglehub": "the layout of its cache",
    "sentencepiece": "sentencepiece_model_pb2",
}


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield every module that is imported anywhere in a module, absolutely, with all its dots."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module


@functools.cache
def needed(*folders: str) -> dict[str, set[str]]:
    """Return the distributions that the modules of folders import: normalised name -> the modules imported."""
    found: dict[str, set[str]] = {}
    own = {path.stem for folder in ("tests", "recipes", "benchmarks") for path in (TOP / folder).glob("*.py")}
    own |= {"tlkit", "tests", "release"} | set(sys.stdlib_module_names)
    for folder in folders:
        for path in (TOP / folder).rglob("*.py"):
            for module in imported(ast.parse(path.read_text("utf-8"))):
                top = module.partition(".")[0]
                if top not in own:
                    found.setdefault(lock.normal(DISTRIBUTIONS.get(top, top)), set()).add(module)
    return found


def test_all_that_is_imported_is_declared() -> None:
    assert sorted(set(needed("tlkit")) - set(declared())) == []
    assert sorted(set(declared()) - set(needed("tlkit")) - set(UNIMPORTED)) == []


def test_all_that_development_imports_is_declared() -> None:
    folders = ("tests", "recipes", "benchmarks", "docs", "notebooks", "release")
    assert sorted(set(needed(*folders)) - set(declared(*lock.EXTRAS)) - OPTIONAL) == []


def test_imported_sees_all_forms() -> None:
    source = "import a.b, c\ndef f():\n    from d.src import e\n    from . import g\n"
    assert list(imported(ast.parse(source))) == ["a.b", "c", "d.src"]


def test_private_modules_are_imported_only_of_what_has_a_bound() -> None:
    private = re.compile(r"(^|\.)(src|_[^.]*|\w+_pb2)(\.|$)")
    found = {name for name, modules in needed("tlkit").items() if any(private.search(module) for module in modules)}
    assert found - {"future"} <= set(INTERNALS)
    assert "keras-hub" in found  # else the expression sees nothing


@pytest.mark.parametrize("name", INTERNALS)
def test_what_is_used_inside_has_an_upper_bound(name: str) -> None:
    bounds, (major, minor, *_) = declared()[name].specifier, PINS[name].version.split(".")
    assert bounds.contains(PINS[name].version)
    assert not bounds.contains(f"{major}.{int(minor) + 1}") and not bounds.contains(f"{int(major) + 1}.0")


def test_the_lock_has_what_setup_cfg_asks_for() -> None:
    wanted = declared(*lock.EXTRAS)
    assert {name for name in (*wanted, *lock.BUILDING) if name not in PINS} == set()
    assert {name for name, found in wanted.items() if not found.specifier.contains(PINS[name].version)} == set()


def test_the_lock_is_closed(tmp_path: Path) -> None:
    needs = inventory.closure(own(tmp_path))
    assert set(needs) - {"tlkit"} <= set(PINS)
    assert {"numpy", "tensorflow", "absl-py"} <= set(needs)


def test_the_lock_names_no_place() -> None:
    text = lock.LOCK.read_text("utf-8")
    assert not re.search(r"://|^\s*-(i|f|-index|-extra|-find|-trusted)| @ ", text, re.MULTILINE)
    assert text == lock.HEAD + lock.render(list(PINS.values()))


def test_make_installs_from_the_lock() -> None:
    call = ["make", "--dry-run", "--always-make", ".venv/.installed"]
    if shutil.which("make") is None:
        pytest.skip("needs make")
    done = subprocess.run(call, cwd=TOP, capture_output=True, text=True, check=True)
    assert "-m release.lock install \n" in done.stdout + "\n"
    done = subprocess.run([*call, "UNLOCKED=1"], cwd=TOP, capture_output=True, text=True, check=True)
    assert "-m release.lock install --unlocked" in done.stdout


def test_parse_and_render_agree() -> None:
    pins = [lock.Pin("a-b", "1.0", (DIGEST, OTHER)), lock.Pin("c", "2!1.0+x", (OTHER,))]
    text = lock.render(pins)
    assert text.splitlines()[:2] == ["a-b==1.0 \\", f"    --hash=sha256:{DIGEST} \\"]
    assert lock.parse("# a head\n\n" + text) == pins
    assert lock.parse(text.replace("a-b", "A_b")) == pins


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a==1\n", "no NAME==VERSION with SHA-256 digests: 'a==1'; make lock"),
        (f"a>=1 --hash=sha256:{DIGEST}\n", "no NAME==VERSION"),
        ("a==1 --hash=md5:00000000000000000000000000000000\n", "no NAME==VERSION"),
        (f"a @ https://example.org/a.whl --hash=sha256:{DIGEST}\n", "no NAME==VERSION"),
        ("--index-url https://example.org\n", "no NAME==VERSION"),
        (f"a==1 --hash=sha256:{DIGEST}\nA==2 --hash=sha256:{OTHER}\n", "the lock has a twice; make lock"),
    ],
)
def test_parse_refuses(text: str, said: str) -> None:
    with pytest.raises(lock.LockError, match=re.escape(said)):
        lock.parse(text)


def item(**info: object) -> dict[str, object]:
    """Return an entry of pip's report."""
    return {"metadata": {"name": "Some.Thing", "version": "1.2"}, "download_info": info}


def test_pinned_takes_the_digests_of_pips_report() -> None:
    report = {"install": [item(url="https://example.org/x.whl", archive_info={"hashes": {"sha256": DIGEST}})]}
    assert lock.pinned(report) == [lock.Pin("some-thing", "1.2", (DIGEST,))]
    for info in ({"dir_info": {}}, {"vcs_info": {}}, {"archive_info": {"hashes": {"md5": "0"}}}):
        with pytest.raises(lock.LockError, match=r"Some\.Thing 1\.2 would come without a SHA-256 digest"):
            lock.pinned({"install": [item(**info)]})


@pytest.mark.parametrize(
    ("place", "value"),
    [("machine", "aarch64"), ("system", "Darwin"), ("python_implementation", "PyPy")],
)
def test_another_platform_is_told_what_to_do(
    place: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(platform, place, lambda: value)
    monkeypatch.setattr(lock, "_pip", lambda *arguments: calls.append(arguments))
    for command in ("check", "install", "make"):
        assert lock.main([command]) == 2
        said = capsys.readouterr().err
        assert (
            said.startswith("error: requirements.lock is for CPython 3.11, Linux, x86_64; ") and said.count("\n") == 1
        )
        assert value in said and "make PYTHON=/path/to/python3.11" in said and "make UNLOCKED=1" in said
    assert calls == []
    assert lock.main(["check", "--unlocked"]) == lock.main(["install", "--unlocked"]) == 0
    assert calls == [("install", "--editable", ".[dev,release]")]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the lock be for this Python, whichever it is."""
    monkeypatch.setattr(lock, "misfit", lambda: None)


def test_install_takes_the_builders_first_and_tlkit_last(here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[tuple[str, ...], set[str]]] = []

    def pip(*arguments: str) -> None:
        path = Path(arguments[-1])
        names = {pin.name for pin in lock.parse(path.read_text("utf-8"))} if path.suffix == ".txt" else set()
        calls.append((arguments[:-1], names))

    monkeypatch.setattr(lock, "_pip", pip)
    assert lock.main(["install"]) == 0
    locked = ("install", "--require-hashes", "--no-build-isolation", "--requirement")
    assert calls == [
        (locked, set(lock.BUILDING)),
        (locked, set(PINS)),
        (("install", "--no-deps", "--no-build-isolation", "--editable"), set()),
        ((), set()),  # pip check
    ]


def test_make_lock_writes_what_pip_found(here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def pip(*arguments: str) -> None:
        calls.append(" ".join(arguments))
        if "--constraint" in arguments:
            calls.append(Path(arguments[-1]).read_text("utf-8"))
        report = {"install": [item(archive_info={"hashes": {"sha256": DIGEST}})]}
        Path(arguments[arguments.index("--report") + 1]).write_text(json.dumps(report), "utf-8")

    monkeypatch.setattr(lock, "_pip", pip)
    monkeypatch.setattr(lock, "LOCK", tmp_path / "requirements.lock")
    assert lock.main(["make"]) == 0
    assert (tmp_path / "requirements.lock").read_text("utf-8") == (
        lock.HEAD + f"some-thing==1.2 \\\n    --hash=sha256:{DIGEST}\n"
    )
    assert calls[0].endswith(" ".join([*lock.requirements(*lock.EXTRAS), *lock.BUILDING]))
    assert lock.main(["make", "--keep"]) == 0
    assert calls[2] == "some-thing==1.2\n"


def test_a_failure_of_pip_is_told_in_one_line(here: None, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(lock.LockError, match=r"pip install failed, see above; .* make lock comes first"):
        lock._pip("install", "--no-index", "--no-deps", "--find-links", os.devnull, "no-such-distribution==0")


def test_a_file_with_another_digest_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "some_thing-1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("some_thing-1.2.dist-info/METADATA", "Metadata-Version: 2.1\nName: some-thing\nVersion: 1.2\n")
        archive.writestr("some_thing-1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("some_thing-1.2.dist-info/RECORD", "")
    listed = tmp_path / "lock.txt"
    listed.write_text(lock.render([lock.Pin("some-thing", "1.2", (DIGEST,))]), "utf-8")
    call = [sys.executable, "-m", "pip", "install", "--require-hashes", "--no-index", "--find-links", str(tmp_path)]
    call += ["--target", str(tmp_path / "there"), "--requirement", str(listed)]
    done = subprocess.run(call, capture_output=True, text=True, env={**os.environ, "PIP_CONFIG_FILE": os.devnull})
    assert done.returncode and "DO NOT MATCH THE HASHES" in done.stderr
    assert not (tmp_path / "there").exists()
