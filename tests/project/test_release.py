"""What a release is made of: licences, a bill of materials, wheel and source package, and what is known against it."""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from release import audit, inventory, lock, publish
from tests.helpers.requirements import DIGEST, PINS, TOP, declared, own

MADE = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


def as_locked() -> bool:
    """Return whether what is installed is what is locked."""
    try:
        return bool(inventory.installed(PINS.values()))
    except lock.LockError:
        return False


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


@pytest.mark.slow
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
        "ERROR:pip_audit._cli:Could not connect\nERROR:pip_audit._cli:Tip: your network may be blocking this service.",
        "Traceback:\n  line\npip_audit._service.interface.ServiceError",
    ],
)
def test_audit_tells_a_service_that_does_not_answer(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(audit.Unreachable, match=re.escape(said.splitlines()[-1])):
        audited(monkeypatch, 1, "", said)


def test_audit_takes_no_failure_for_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match=r"pip-audit ended with 1: .*the lock is odd"):
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
