"""Read `tlkit.json`, in which an artifact says what it is, and check it against what lies beside it.

The digests find damage and mix-ups. They lie beside what they describe, so they prove nothing against a forger.
"""

from __future__ import annotations

import errno
import math
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tlkit.data import table_columns
from tlkit.errors import ArtifactError, InputError
from tlkit.models.generation.decoding import Sampling
from tlkit.models.text.families import KINDS
from tlkit.models.vision.image_input import NORMALISATION
from tlkit.tasks import bio_tags, registry
from tlkit.utils import archives, files, regular_files, schema

SCHEMA = 2
# schema n -> what turns its facts into those of schema n + 1; an older schema without an entry is refused
UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    1: lambda facts: facts | {"schema": 2, "target": {"name": "label"}},  # nothing else could be learned then
}
MOST_BYTES, MOST_LABELS, MOST_SIZE = 16_000_000, 100_000, 10_000  # size: pixels of a side, or tokens

FORM = {  # as `schema.mismatches` takes it
    "labels": [str],
    "target": {"name": str},
    "input": {"kind": str, "resize": str},
    "backbone": {"name": str, "blocks": [str], "stem": str, "params": int},
    "head": str,
    "weights": {"origin": str, "licence": str, "source": str},
    "parity": {"samples": int, "real": bool, "max_difference": float, "spread": float},
    "versions": {"tlkit": str, "*": str},
    "files": {"*": str},
}
METRICS = {"split": str, "examples": int, "*": float | None}  # null: it is not a finite number
# facts become arguments, so nothing may be beyond these forms
INPUTS = {
    "image": {"normalise": str, "size": int, "minimum": int},
    "text": {"size": int, "limit": int, "lowercase": bool, "family": str, "segments": int},
    "prompt": {
        "size": int, "limit": int, "length": int, "separator": str, "family": str,
        "sampling": {"sampler": str, "k": int, "p": float, "temperature": float, "seed": int},
    },
    "table": table_columns.FACTS,
}  # fmt: skip
ADDED = {"family", "segments", "temperature"}  # older artifacts lack them, and are what the defaults say
CHOICES = {"resize": ("crop", "pad", "stretch"), "normalise": tuple(NORMALISATION)}
CHOICES |= {"family": tuple(KINDS), "segments": (1, 2)}

ROOT = "saved_model/1"
VITAL = ("model.keras", f"{ROOT}/saved_model.pb", f"{ROOT}/variables/variables.index")
# TensorFlow would also read files of other names; Serving would prefer a higher version
EXPORTED = re.compile(rf"{ROOT}/(saved_model\.pb|fingerprint\.pb|variables/variables\.(index|data-\d{{5}}-of-\d{{5}}))")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def read(path: Path) -> dict[str, Any]:
    """Read and check the `tlkit.json` of an artifact, of this schema or an older one that can be upgraded.

    Args:
        path: the artifact's directory.

    Returns:
        The facts, each of its proper type.

    Raises:
        ArtifactError: there is no tlkit.json, it is damaged or too large, or of a schema that is not read.
    """
    place = path / "tlkit.json"
    if not regular_files.is_utf8(path):
        raise ArtifactError(
            f"{regular_files.shown(path)} is no UTF-8, which TensorFlow needs; give the directory another name"
        )
    if not os.path.lexists(place):
        raise ArtifactError(f"{path} is not an artifact: it has no tlkit.json; name a directory tlkit.export wrote")
    try:
        facts = regular_files.parsed(regular_files.content(place, most=MOST_BYTES, within=path))
    except OSError as error:
        more = f", and {MOST_LABELS:,} labels" if error.errno == errno.EFBIG else ""
        raise _damaged(place, f"{regular_files.why(error)}{more}") from error
    except ValueError as error:
        raise _damaged(place, str(error)) from error
    facts = _upgraded(facts, place)
    if fault := next(_faults(facts), None):
        raise _damaged(place, fault)
    return facts


def verify(path: Path, listed: dict[str, str]) -> None:
    """Check that an artifact's files are those that were written, no fewer and, in the SavedModel, no more.

    Args:
        path: the artifact's directory.
        listed: the files with their digests, as `tlkit.json` has them.

    Raises:
        ArtifactError: a file that is missing, changed, a link, not listed, or lies elsewhere.
    """
    place = path / "tlkit.json"
    for name, digest in listed.items():
        if archives.is_unsafe_name(name):
            raise _damaged(place, f"it lists {name[:100]!r}, which may lead out of the artifact")
        if name.startswith("saved_model/") and not EXPORTED.fullmatch(name):
            raise _damaged(place, f"it lists {name[:100]!r}, which tlkit does not export")
        if not DIGEST.fullmatch(digest):
            raise _damaged(place, f"the digest of {name[:100]} is {digest[:100]!r}, not sha256: and 64 digits")
    if omitted := [name for name in (*VITAL, *_shards(listed)) if name not in listed]:
        raise _damaged(place, f"it lists no digest of {omitted[0]}")
    for name in (*listed, *_present(path)):
        # pathlib would raise errors of its own for links in a circle and for names that are too long
        if os.path.realpath(path / name) != os.path.join(os.path.realpath(path), name):
            raise ArtifactError(f"{path / name} is a link, which may lead anywhere; copy the artifact with its files")
        if name not in listed:
            raise ArtifactError(f"{path / name} is not listed in {place}; remove it or export the model again")
        if not os.path.isfile(path / name):
            raise ArtifactError(f"{path / name} is missing; export the model again")
    for name, digest in listed.items():
        if (found := files.digest(path / name)) != digest:
            raise ArtifactError(f"{path / name} was changed: {found}, not {digest}; export the model again")


def _damaged(place: Path, fault: str) -> ArtifactError:
    return ArtifactError(f"{place} is damaged: {fault}; export the model again")


def _shards(listed: dict[str, str]) -> list[str]:
    """Return the names that the files of the variables have when there are as many of them as are listed."""
    count = max(1, sum(".data-" in name for name in listed))
    return [f"{ROOT}/variables/variables.data-{number:05}-of-{count:05}" for number in range(count)]


def _present(path: Path) -> Iterator[str]:
    """Yield what lies in the SavedModel's folders, links too, except for folders."""
    for folder, folders, names in os.walk(path / "saved_model"):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        yield from (Path(folder, name).relative_to(path).as_posix() for name in (*names, *links))


# === Facts ===


def _upgraded(facts: Any, place: Path) -> dict[str, Any]:
    """Bring facts of an older schema up to this one."""
    schema = facts.get("schema") if isinstance(facts, dict) else None
    if type(schema) is not int:
        raise _damaged(place, "it states no schema")
    while schema in UPGRADES and schema < SCHEMA:
        try:
            facts, schema = UPGRADES[schema](facts), schema + 1
        except (LookupError, TypeError, AttributeError, ValueError) as error:  # nobody has checked these facts yet
            raise _damaged(place, f"of its schema {schema}, {error!r:.200}") from error
    if schema == SCHEMA:
        return facts
    versions = facts.get("versions")
    writer = versions.get("tlkit") if isinstance(versions, dict) else None
    writer = writer[:100] if isinstance(writer, str) else "of no stated version"
    raise ArtifactError(
        f"{place} has schema {str(schema)[:20]}, written by tlkit {writer}; this tlkit reads schema {SCHEMA}. Install "
        f"the tlkit that wrote it, or export the model again"
    )


def _faults(facts: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the facts, the cheapest check first; each relies on there being no fault before it."""
    labels = facts.get("labels")
    if isinstance(labels, list) and not 1 <= len(labels) <= MOST_LABELS:
        yield f"it has {len(labels):,} labels, not 1 to {MOST_LABELS:,}"
    for key, form in FORM.items():
        yield from schema.mismatches(facts, {key: form})
    if len(set(labels)) < len(labels):
        yield "two labels are the same"
    if facts.get("metrics") is not None:
        yield from schema.mismatches(facts["metrics"], METRICS, "metrics")
    yield from _target_faults(facts["target"], len(labels))
    if facts["target"]["name"] == "entities" and (fault := bio_tags.fault(labels)):
        yield f"its labels are no tags of entities: {fault[:200]}"
    yield from _input_faults(facts["input"])


def _target_faults(given: dict[str, Any], count: int) -> Iterator[str]:
    if given["name"] not in registry.TARGETS:
        yield f"target.name is {given['name'][:100]!r}, which this tlkit does not know"
    target = registry.target(given["name"])
    form = _asked(target.form, given)  # these become arguments, so nothing may be beyond the form
    yield from schema.mismatches(given, form, "target")
    for key in given.keys() - form.keys() - {"name"}:
        yield f"target.{key[:100]} is not known"
    if not target.least <= count <= (target.most or count):
        yield f"it has {count:,} labels, which do not suit its target, {given['name']}"
    if not 0 < given.get("temperature", 1.0) < math.inf:
        yield "target.temperature is not a finite number above 0"
    if given["name"] == "value" and not (math.isfinite(given["mean"]) and 0 < given["scale"] < math.inf):
        yield "target.mean and target.scale are not finite, or the scale is not above 0"
    if not 1 <= given.get("size", 1) <= MOST_SIZE:
        yield f"target.size is not a number from 1 to {MOST_SIZE:,}"


def _asked(form: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    return {key: kind for key, kind in form.items() if key in given or key not in ADDED}


def _input_faults(given: dict[str, Any]) -> Iterator[str]:
    if given["kind"] not in INPUTS:
        yield f"input.kind is {given['kind'][:100]!r}, which this tlkit does not know"
    form = _asked(INPUTS[given["kind"]], given)
    yield from schema.mismatches(given, form, "input")
    for key in given.keys() - form.keys() - {"kind", "resize"}:
        yield f"input.{key[:100]} is not known"
    if given["kind"] == "table":
        yield from table_columns.faults(given)
    for key, known in CHOICES.items():
        if key in given and given[key] not in known:
            yield f"input.{key} is {given[key]!r:.100}, which this tlkit does not know"
    for key, kind in form.items():
        if kind is int and not 0 <= given[key] <= MOST_SIZE:
            yield f"input.{key} is not a number from 0 to {MOST_SIZE:,}"
    if "sampling" in form:
        try:
            Sampling(**given["sampling"])
        except (TypeError, InputError) as error:
            yield f"input.sampling: {error!s:.200}"
