"""What a release is made of: the licences of all locked distributions, and a bill of materials of what tlkit runs on.

Both are read from the metadata of what is installed, which must be what requirements.lock says.
"""

from __future__ import annotations

import datetime
import json
import uuid
from collections.abc import Iterable, Mapping
from importlib import metadata

from release.lock import LockError, Pin, normal

UNSTATED = "not stated"
AGAIN = "touch requirements.lock and make again"


def installed(pins: Iterable[Pin]) -> dict[str, metadata.Distribution]:
    """Return the installed distribution of each pin, by its normalised name.

    Raises:
        LockError: one is not installed, or in another version than the lock's.
    """
    found = {}
    for pin in pins:
        try:
            found[pin.name] = metadata.distribution(pin.name)
        except metadata.PackageNotFoundError:
            raise LockError(f"{pin.name} {pin.version} is locked but not installed; {AGAIN}") from None
        if (version := found[pin.name].version) != pin.version:
            raise LockError(f"{pin.name} {pin.version} is locked, {version} is installed; {AGAIN}")
    return found


def licence(distribution: metadata.Distribution) -> str:
    """Return the licence that a distribution declares, in one line, or "not stated".

    The SPDX expression comes first, then a short `License` field, the classifiers, and last the line of the
    licence's own text that names it.
    """
    given = distribution.metadata
    text = (given.get("License") or "").strip()
    if expression := given.get("License-Expression"):
        return expression.strip()
    if text and "\n" not in text and len(text) <= 60 and text != "UNKNOWN":
        return text
    classes = [entry.split(" :: ")[-1] for entry in given.get_all("Classifier") or () if entry.startswith("License ::")]
    if classes:
        return "; ".join(classes)
    names = given.get_all("License-File") or ()
    files = [distribution.read_text(f"{place}{name}") for name in names for place in ("licenses/", "")]
    return next((heading for body in (text, *files) if (heading := _heading(body))), UNSTATED)


def _heading(body: str | None) -> str:
    """Return the line that names the licence at the beginning of its text; "" where none does."""
    lines = [line.strip() for line in (body or "").splitlines() if line.strip()][:5]
    return next((line[:60] for line in lines if "licens" in line.lower() or "licenc" in line.lower()), "")


def closure(distribution: metadata.Distribution) -> dict[str, tuple[str, ...]]:
    """Return what a distribution needs to run, directly or not: normalised name -> the names it needs itself, sorted.

    The first is the distribution itself. Requirements that are for other systems or Pythons are left out.

    Raises:
        LockError: something that is needed is not installed.
    """
    needs: dict[str, set[str]] = {}
    todo = [(distribution, frozenset[str]())]
    seen = set()
    while todo:
        current, extras = todo.pop()
        name = normal(current.name)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        edges = needs.setdefault(name, set())
        for wanted, more in _requirements(current, extras):
            edges.add(wanted)
            try:
                todo.append((metadata.distribution(wanted), more))
            except metadata.PackageNotFoundError:
                raise LockError(f"{name} needs {wanted}, which is not installed; {AGAIN}") from None
    return {name: tuple(sorted(edges)) for name, edges in needs.items()}


def _requirements(distribution: metadata.Distribution, extras: frozenset[str]) -> Iterable[tuple[str, frozenset[str]]]:
    from packaging.requirements import Requirement

    for line in distribution.requires or ():
        wanted = Requirement(line)
        if wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in (extras or {""})):
            yield normal(wanted.name), frozenset(wanted.extras)


def licences(distributions: Mapping[str, metadata.Distribution], running: Iterable[str]) -> str:
    """Return the table of licences in Markdown, a line for each distribution, by name.

    Args:
        distributions: normalised name -> what is installed.
        running: the names of those that tlkit needs to run; the others are for development.
    """
    running = set(running)
    lines = ["| distribution | version | licence, as it declares it | needed for |", "|---|---|---|---|"]
    for name, found in sorted(distributions.items()):
        text, use = licence(found).replace("|", " "), "running" if name in running else "development"
        lines.append(f"| {name} | {found.version} | {text} | {use} |")
    return "\n".join(lines) + "\n"


def materials(
    distribution: metadata.Distribution, pins: Mapping[str, Pin], made: datetime.datetime
) -> dict[str, object]:
    """Return a bill of materials (CycloneDX 1.6) of a distribution and all that it needs to run.

    Args:
        distribution: tlkit, as it was built.
        pins: normalised name -> pin, whose digests the components carry.
        made: the time that it states.
    """
    needs = closure(distribution)
    first, *others = needs
    others.sort()
    found = {first: distribution, **{name: metadata.distribution(name) for name in others}}
    refs = {name: f"pkg:pypi/{name}@{kept.version}" for name, kept in found.items()}
    bill = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": made.astimezone(datetime.UTC).isoformat(timespec="seconds"),
            "lifecycles": [{"phase": "build"}],
            "component": _component(found[first], refs[first], None),
        },
        "components": [_component(found[name], refs[name], pins.get(name)) for name in others],
        "dependencies": [
            {"ref": refs[name], "dependsOn": [refs[to] for to in needs[name]]} for name in (first, *others)
        ],
    }
    # The same materials give the same number.
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([bill["components"], bill["dependencies"]], sort_keys=True))
    return {**bill, "serialNumber": f"urn:uuid:{number}"}


def _component(distribution: metadata.Distribution, ref: str, pin: Pin | None) -> dict[str, object]:
    expression, text = distribution.metadata.get("License-Expression"), licence(distribution)
    given: dict[str, object] = {
        "type": "library",
        "bom-ref": ref,
        "name": normal(distribution.name),
        "version": distribution.version,
        "purl": ref,
    }
    if summary := distribution.metadata.get("Summary"):
        given["description"] = summary
    if text != UNSTATED:
        given["licenses"] = [{"expression": expression} if expression else {"license": {"name": text}}]
    if pin is not None:
        given["hashes"] = [{"alg": "SHA-256", "content": digest} for digest in pin.digests]
    return given
