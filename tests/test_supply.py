"""What tlkit is made of: requirements, the lock, the licences, the bill of materials, and what a release holds."""

from __future__ import annotations

import ast
import datetime
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from release import audit, inventory, lock, publish

TOP = Path(__file__).resolve().parent.parent
PINS = {pin.name: pin for pin in lock.parse(lock.LOCK.read_text("utf-8"))}
DIGEST, OTHER = "a" * 64, "b" * 64
MADE = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)

# What is imported -> what it is called where it is installed from, where the two differ.
DISTRIBUTIONS = {
    "IPython": "ipython",
    "PIL": "pillow",
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


def needed(*folders: str) -> dict[str, set[str]]:
    """Return the distributions that the modules of folders import: normalised name -> the modules imported."""
    found: dict[str, set[str]] = {}
    own = {path.stem for folder in ("tests", "recipes", "benchmarks") for path in (TOP / folder).glob("*.py")}
    own |= {"tlkit", "release"} | set(sys.stdlib_module_names)
    for folder in folders:
        for path in (TOP / folder).rglob("*.py"):
            for module in imported(ast.parse(path.read_text("utf-8"))):
                top = module.partition(".")[0]
                if top not in own:
                    found.setdefault(lock.normal(DISTRIBUTIONS.get(top, top)), set()).add(module)
    return found


def declared(*extras: str) -> dict[str, Requirement]:
    """Return what setup.cfg asks for: normalised name -> requirement."""
    return {lock.normal(found.name): found for found in map(Requirement, lock.requirements(*extras))}


def own(folder: Path) -> metadata.Distribution:
    """Return tlkit as a distribution that needs what setup.cfg says now."""
    place = folder / "tlkit-9.8.7.dist-info"
    place.mkdir()
    lines = ["Metadata-Version: 2.4", "Name: tlkit", "Version: 9.8.7", "License-Expression: Apache-2.0"]
    lines += [f"Requires-Dist: {line}" for line in lock.requirements()]
    (place / "METADATA").write_text("\n".join(lines) + "\n", "utf-8")
    return metadata.Distribution.at(place)


def as_locked() -> bool:
    """Return whether what is installed is what is locked."""
    try:
        return bool(inventory.installed(PINS.values()))
    except lock.LockError:
        return False


def test_all_that_is_imported_is_declared() -> None:
    assert sorted(set(needed("tlkit")) - set(declared())) == []
    assert sorted(set(declared()) - set(needed("tlkit")) - set(UNIMPORTED)) == []


def test_all_that_development_imports_is_declared() -> None:
    folders = ("tests", "recipes", "benchmarks", "docs", "notebooks", "release")
    assert sorted(set(needed(*folders)) - set(declared("dev")) - OPTIONAL) == []


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
        ("a==1\n", "no NAME==VERSION with digests: 'a==1'; make lock"),
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
        with pytest.raises(lock.LockError, match=r"Some\.Thing 1\.2 would come without a digest"):
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


def distribution(folder: Path, *lines: str, text: str = "") -> metadata.Distribution:
    """Return a distribution with these lines of metadata and this text of a licence."""
    place = folder / "x-1.dist-info"
    (place / "licenses").mkdir(parents=True)
    (place / "METADATA").write_text("\n".join(("Name: x", "Version: 1", *lines)) + "\n", "utf-8")
    (place / "licenses" / "LICENSE").write_text(text, "utf-8")
    return metadata.Distribution.at(place)


@pytest.mark.parametrize(
    ("lines", "text", "expected"),
    [
        (("License-Expression: MIT OR 0BSD", "License: else"), "", "MIT OR 0BSD"),
        (("License: Apache 2.0", "Classifier: License :: OSI Approved :: MIT License"), "", "Apache 2.0"),
        (("License: UNKNOWN", "Classifier: License :: OSI Approved :: ISC License (ISCL)"), "", "ISC License (ISCL)"),
        (
            ("License: All of", "        the text", "Classifier: License :: OSI Approved :: BSD License"),
            "",
            "BSD License",
        ),
        (("License: MIT License", "        Copyright (c) somebody"), "", "MIT License"),
        (("License-File: LICENSE",), "Copyright somebody\n\nLicensed under the X\n", "Licensed under the X"),
        (("License-File: LICENSE",), "Copyright somebody\n", inventory.UNSTATED),
        ((), "", inventory.UNSTATED),
    ],
)
def test_licence(lines: tuple[str, ...], text: str, expected: str, tmp_path: Path) -> None:
    assert inventory.licence(distribution(tmp_path, *lines, text=text)) == expected


def test_the_licences_of_all_that_is_locked_and_installed_are_known(tmp_path: Path) -> None:
    names = {lock.normal(found.name) for found in metadata.distributions()} & set(PINS)
    found = {name: metadata.distribution(name) for name in names}
    running = inventory.closure(own(tmp_path))
    table = [line.strip("| ").split(" | ") for line in inventory.licences(found, running).splitlines()[2:]]
    assert [name for name, *_ in table] == sorted(names) and len(names) > 100
    assert [row for row in table if len(row) != 4 or row[2] == inventory.UNSTATED] == []
    uses = {name: use for name, _, _, use in table}
    assert (uses["numpy"], uses["pytest"]) == ("running", "development")


def test_installed_names_what_differs_from_the_lock() -> None:
    version = metadata.version("numpy")
    with pytest.raises(lock.LockError, match=f"numpy 0.1 is locked, {version} is installed; touch requirements.lock"):
        inventory.installed([lock.Pin("numpy", "0.1", (DIGEST,))])
    with pytest.raises(lock.LockError, match=r"no-such 1 is locked but not installed; touch requirements\.lock"):
        inventory.installed([lock.Pin("no-such", "1", (DIGEST,))])


def test_closure_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(lock.LockError, match="x needs no-such, which is not installed"):
        inventory.closure(distribution(tmp_path, "Requires-Dist: no_such>=1"))


def test_closure_follows_markers_and_extras(tmp_path: Path) -> None:
    lines = ("numpy; python_version < '3'", "pytest; extra == 'more'", "filelock")
    found = inventory.closure(distribution(tmp_path, *(f"Requires-Dist: {line}" for line in lines)))
    assert found == {"x": ("filelock",), "filelock": ()}


def test_the_bill_of_materials_names_all_that_runs(tmp_path: Path) -> None:
    bill = inventory.materials(own(tmp_path), PINS, MADE)
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bill["serialNumber"])
    assert bill["metadata"]["timestamp"] == "2026-01-02T03:04:05+00:00"
    subject = bill["metadata"]["component"]
    assert (subject["name"], subject["version"], subject["purl"]) == ("tlkit", "9.8.7", "pkg:pypi/tlkit@9.8.7")
    parts = {part["name"]: part for part in bill["components"]}
    assert set(declared()) <= set(parts) and "pytest" not in parts and "tlkit" not in parts
    for name, part in parts.items():
        version = metadata.version(name)
        assert (part["version"], part["purl"], part["bom-ref"]) == (version, *[f"pkg:pypi/{name}@{version}"] * 2)
        assert [(digest["alg"], digest["content"]) for digest in part["hashes"]] == [("SHA-256", *PINS[name].digests)]
    edges = {edge["ref"]: edge["dependsOn"] for edge in bill["dependencies"]}
    assert set(edges) == {subject["bom-ref"], *(part["bom-ref"] for part in parts.values())}
    assert sorted(edges[subject["bom-ref"]]) == sorted(parts[name]["bom-ref"] for name in declared())
    assert {to for tos in edges.values() for to in tos} <= set(edges)


def test_the_same_materials_have_the_same_number(tmp_path: Path) -> None:
    first = inventory.materials(own(tmp_path), PINS, MADE)
    again = inventory.materials(own_again(tmp_path), PINS, MADE + datetime.timedelta(days=1))
    assert first["serialNumber"] == again["serialNumber"]
    other = inventory.materials(own_again(tmp_path), {}, MADE)
    assert other["serialNumber"] != first["serialNumber"]


def own_again(folder: Path) -> metadata.Distribution:
    """Return the distribution that `own` made."""
    return metadata.Distribution.at(folder / "tlkit-9.8.7.dist-info")


def test_the_bill_of_materials_is_valid_by_its_schema(tmp_path: Path) -> None:
    schema = pytest.importorskip("cyclonedx.schema", reason="needs the extra `release`")
    from cyclonedx.validation.json import JsonStrictValidator

    check = JsonStrictValidator(schema.SchemaVersion.V1_6)
    bill = inventory.materials(own(tmp_path), PINS, MADE)
    assert check.validate_str(json.dumps(bill)) is None
    assert check.validate_str(json.dumps({**bill, "serialNumber": "1"})) is not None


def test_strangers_in_a_wheel_are_seen(tmp_path: Path) -> None:
    wheel = tmp_path / "tlkit-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in ("tlkit/a.py", "tlkit/deep/b.py", "tlkit-1.0.dist-info/RECORD", "tests/test_a.py", "tlkitten.py"):
            archive.writestr(name, "")
    assert publish.strangers(wheel) == ["tests/test_a.py", "tlkitten.py"]


@pytest.mark.slow
def test_a_release(tmp_path: Path) -> None:
    pytest.importorskip("build", reason="needs the extra `release`")
    if not as_locked():
        pytest.skip("what is installed is not what is locked (made with UNLOCKED=1): a release needs that")
    work = tmp_path / "work"
    ignored = shutil.ignore_patterns("__pycache__")
    for folder in ("tlkit", "release", "tests", "notebooks"):
        shutil.copytree(TOP / folder, work / folder, ignore=ignored)
    for name in ("setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "requirements.txt"):
        shutil.copy(TOP / name, work)
    shutil.copy(lock.LOCK, work)
    (work / "dist").mkdir()
    (work / "dist" / "tlkit-0.0.1-py3-none-any.whl").write_bytes(b"of an older build")
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1767323045", "PYTHONPATH": ""}
    call = [sys.executable, "-m", "release.publish"]
    subprocess.run(call, cwd=work, env=environment, capture_output=True, check=True)

    (wheel,), (source,) = (work / "dist").glob("*.whl"), (work / "dist").glob("*.tar.gz")
    bill = json.loads(next((work / "dist").glob("*.cdx.json")).read_text("utf-8"))
    assert bill["metadata"]["timestamp"] == "2026-01-02T03:04:05+00:00"
    assert set(declared()) <= {part["name"] for part in bill["components"]}
    listed = (work / "dist" / "LICENCES.md").read_text("utf-8")
    assert [name for name in PINS if f"\n| {name} | {PINS[name].version} | " not in listed] == []
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if name.startswith("tlkit/")}
    assert names == {str(path.relative_to(TOP)) for path in (TOP / "tlkit").rglob("*.py")}
    with tarfile.open(source) as archive:
        tops = {name.split("/")[1] for name in archive.getnames() if "/" in name}
    assert "requirements.lock" in tops and not {"tests", "notebooks", "release"} & tops

    call = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        "there",
        str(wheel),
    ]
    subprocess.run(call, cwd=tmp_path, check=True, capture_output=True)
    call = [sys.executable, "-c", "import sys, tlkit.cli as c; print(c.__file__); sys.exit(c.main(['--help']))"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "there")}
    done = subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith(str(tmp_path / "there")) and "train" in done.stdout


def audited(monkeypatch: pytest.MonkeyPatch, code: int, out: str, err: str) -> list[str]:
    """Return what `known` makes of an answer of pip-audit."""
    answer = subprocess.CompletedProcess([], code, out, err)
    monkeypatch.setattr(audit.subprocess, "run", lambda *_, **__: answer)
    return audit.known(lock.LOCK, {}, 1)


def test_audit_tells_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    fault = {"id": "X-1", "fix_versions": ["1.1", "2.0"], "aliases": [], "description": ""}
    entries = [
        {"name": "a", "version": "1.0", "vulns": [fault, {**fault, "id": "X-2", "fix_versions": []}]},
        {"name": "b", "version": "1.0", "vulns": []},
    ]
    said = audited(monkeypatch, 1, json.dumps({"dependencies": entries, "fixes": []}), "Found 2 known vulnerabilities")
    assert said == ["a 1.0: X-1, corrected in 1.1, 2.0", "a 1.0: X-2, corrected in none"]
    assert audited(monkeypatch, 0, json.dumps({"dependencies": entries[1:]}), "") == []


@pytest.mark.parametrize(
    "said",
    [
        "Traceback:\n  line\nrequests.exceptions.ConnectionError: HTTPSConnectionPool(host='x')",
        "requests.exceptions.ProxyError: nobody there",
        "ERROR:pip_audit._cli:Could not connect to the feed",
        "ERROR:pip_audit._cli:",
    ],
)
def test_audit_tells_a_service_that_does_not_answer(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(audit.Unreachable, match=re.escape(said.splitlines()[-1])):
        audited(monkeypatch, 1, "", said)


def test_audit_takes_no_failure_for_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="pip-audit ended with 1: .*the lock is odd"):
        audited(monkeypatch, 1, "", "ERROR:pip_audit._cli:the lock is odd")
    with pytest.raises(RuntimeError, match="pip-audit ended with 2: it said nothing"):
        audited(monkeypatch, 2, "", "")
    with pytest.raises(RuntimeError, match="pip-audit left out a"):
        audited(monkeypatch, 0, json.dumps({"dependencies": [{"name": "a", "skip_reason": "unknown"}]}), "")


def test_audit_without_a_network(tmp_path: Path) -> None:
    pytest.importorskip("pip_audit", reason="needs the extra `release`")
    nobody = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"), "http://127.0.0.1:9")
    environment = {**os.environ, **nobody, "NO_PROXY": "", "no_proxy": "", "XDG_CACHE_HOME": str(tmp_path)}
    with pytest.raises(audit.Unreachable):
        audit.known(lock.LOCK, environment, 60)


@pytest.mark.all
def test_no_vulnerability_is_known_in_what_is_locked() -> None:
    pytest.importorskip("pip_audit", reason="needs the extra `release`")
    try:
        found = audit.known(lock.LOCK, os.environ, 600)
    except audit.Unreachable as error:
        pytest.skip(f"the service that knows the vulnerabilities cannot be reached: {error}")
    assert found == []
