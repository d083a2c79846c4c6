"""Read `tlkit.json`, the description of an artifact, and check it and the files that it lists.

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
MAX_BYTES, MAX_LABELS, MAX_SIZE = 16_000_000, 100_000, 10_000  # size: pixels of a side, or tokens

FACT_TYPES = {  # as `schema.mismatches` takes it
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
METRIC_TYPES = {"split": str, "examples": int, "*": float | None}  # null: it is not a finite number
# facts become arguments, so nothing may be beyond these forms
INPUTS = {
    "image": {"normalise": str, "size": int, "minimum": int},
    "text": {"size": int, "limit": int, "lowercase": bool, "family": str, "segments": int, "words": bool},
    "prompt": {
        "size": int, "limit": int, "length": int, "separator": str, "family": str,
        "sampling": {"sampler": str, "k": int, "p": float, "temperature": float, "seed": int},
    },
    "table": table_columns.FACTS,
}  # fmt: skip
OPTIONAL_FACTS = {"family", "segments", "words", "temperature"}  # where they are left out, the defaults hold
CHOICES = {"resize": ("crop", "pad", "stretch"), "normalise": tuple(NORMALISATION)}
CHOICES |= {"family": tuple(KINDS), "segments": (1, 2)}

ROOT = "saved_model/1"
REQUIRED_FILES = ("model.keras", f"{ROOT}/saved_model.pb", f"{ROOT}/variables/variables.index")
# TensorFlow would also read files of other names; Serving would prefer a higher version
EXPORTED_NAME = re.compile(
    rf"{ROOT}/(saved_model\.pb|fingerprint\.pb|variables/variables\.(index|data-\d{{5}}-of-\d{{5}}))"
)
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
    facts_path = path / "tlkit.json"
    if not regular_files.is_utf8(path):
        raise ArtifactError(
            f"{regular_files.shown(path)} is no UTF-8, which TensorFlow needs; give the directory another name"
        )
    if not os.path.lexists(facts_path):
        raise ArtifactError(f"{path} is not an artifact: it has no tlkit.json; name a directory tlkit.export wrote")
    try:
        facts = regular_files.parsed(regular_files.content(facts_path, most=MAX_BYTES, within=path))
    except OSError as error:
        more = f", and {MAX_LABELS:,} labels" if error.errno == errno.EFBIG else ""
        raise _damaged(facts_path, f"{regular_files.why(error)}{more}") from error
    except ValueError as error:
        raise _damaged(facts_path, str(error)) from error
    facts = _upgraded(facts, facts_path)
    if fault := next(_faults(facts), None):
        raise _damaged(facts_path, fault)
    return facts


def verify(path: Path, listed: dict[str, str]) -> None:
    """Check that an artifact's files are those that were written, no fewer and, in the SavedModel, no more.

    Args:
        path: the artifact's directory.
        listed: the files with their digests, as `tlkit.json` has them.

    Raises:
        ArtifactError: a file that is missing, changed, a link, not listed, or lies elsewhere.
    """
    facts_path = path / "tlkit.json"
    for name, digest in listed.items():
        if archives.is_unsafe_name(name):
            raise _damaged(facts_path, f"it lists {name[:100]!r}, which may lead out of the artifact")
        if name.startswith("saved_model/") and not EXPORTED_NAME.fullmatch(name):
            raise _damaged(facts_path, f"it lists {name[:100]!r}, which tlkit does not export")
        if not DIGEST.fullmatch(digest):
            raise _damaged(facts_path, f"the digest of {name[:100]} is {digest[:100]!r}, not sha256: and 64 digits")
    if omitted := [name for name in (*REQUIRED_FILES, *_shards(listed)) if name not in listed]:
        raise _damaged(facts_path, f"it lists no digest of {omitted[0]}")
    for name in (*listed, *_present(path)):
        # pathlib would raise errors of its own for links in a circle and for names that are too long
        if os.path.realpath(path / name) != os.path.join(os.path.realpath(path), name):
            raise ArtifactError(f"{path / name} is a link, which may lead anywhere; copy the artifact with its files")
        if name not in listed:
            raise ArtifactError(f"{path / name} is not listed in {facts_path}; remove it or export the model again")
        if not os.path.isfile(path / name):
            raise ArtifactError(f"{path / name} is missing; export the model again")
    for name, digest in listed.items():
        if (digest_now := files.digest(path / name)) != digest:
            raise ArtifactError(f"{path / name} was changed: {digest_now}, not {digest}; export the model again")


def _damaged(facts_path: Path, fault: str) -> ArtifactError:
    return ArtifactError(f"{facts_path} is damaged: {fault}; export the model again")


def _shards(listed: dict[str, str]) -> list[str]:
    """Return the names that the listed number of variable files must have."""
    count = max(1, sum(".data-" in name for name in listed))
    return [f"{ROOT}/variables/variables.data-{number:05}-of-{count:05}" for number in range(count)]


def _present(path: Path) -> Iterator[str]:
    """Yield the files and links in the folders of the SavedModel."""
    for folder, folders, names in os.walk(path / "saved_model"):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        yield from (Path(folder, name).relative_to(path).as_posix() for name in (*names, *links))


# === Facts ===


def _upgraded(facts: Any, facts_path: Path) -> dict[str, Any]:
    """Upgrade facts of an older schema to the current one."""
    schema = facts.get("schema") if isinstance(facts, dict) else None
    if type(schema) is not int:
        raise _damaged(facts_path, "it states no schema")
    while schema in UPGRADES and schema < SCHEMA:
        try:
            facts, schema = UPGRADES[schema](facts), schema + 1
        except (LookupError, TypeError, AttributeError, ValueError) as error:  # nobody has checked these facts yet
            raise _damaged(facts_path, f"of its schema {schema}, {error!r:.200}") from error
    if schema == SCHEMA:
        return facts
    versions = facts.get("versions")
    writer = versions.get("tlkit") if isinstance(versions, dict) else None
    writer = writer[:100] if isinstance(writer, str) else "of no stated version"
    raise ArtifactError(
        f"{facts_path} has schema {str(schema)[:20]}, written by tlkit {writer}; this tlkit reads schema {SCHEMA}. "
        f"Install the tlkit that wrote it, or export the model again"
    )


def _faults(facts: dict[str, Any]) -> Iterator[str]:
    """Yield the faults of the facts, the cheapest check first; each check relies on those before it having passed."""
    labels = facts.get("labels")
    if isinstance(labels, list) and not 1 <= len(labels) <= MAX_LABELS:
        yield f"it has {len(labels):,} labels, not 1 to {MAX_LABELS:,}"
    for key, form in FACT_TYPES.items():
        yield from schema.mismatches(facts, {key: form})
    if len(set(labels)) < len(labels):
        yield "two labels are the same"
    if facts.get("metrics") is not None:
        yield from schema.mismatches(facts["metrics"], METRIC_TYPES, "metrics")
    yield from _target_faults(facts["target"], len(labels))
    if facts["target"]["name"] == "entities" and (fault := bio_tags.fault(labels)):
        yield f"its labels are no tags of entities: {fault[:200]}"
    yield from _input_faults(facts["input"])


def _target_faults(facts: dict[str, Any], count: int) -> Iterator[str]:
    if facts["name"] not in registry.TARGETS:
        yield f"target.name is {facts['name'][:100]!r}, which this tlkit does not know"
    target = registry.target(facts["name"])
    form = _expected(target.form, facts)  # these become arguments, so nothing may be beyond the form
    yield from schema.mismatches(facts, form, "target")
    for key in facts.keys() - form.keys() - {"name"}:
        yield f"target.{key[:100]} is not known"
    if not target.least <= count <= (target.most or count):
        yield f"it has {count:,} labels, which do not suit its target, {facts['name']}"
    if not 0 < facts.get("temperature", 1.0) < math.inf:
        yield "target.temperature is not a finite number above 0"
    if facts["name"] == "value" and not (math.isfinite(facts["mean"]) and 0 < facts["scale"] < math.inf):
        yield "target.mean and target.scale are not finite, or the scale is not above 0"
    if not 1 <= facts.get("size", 1) <= MAX_SIZE:
        yield f"target.size is not a number from 1 to {MAX_SIZE:,}"


def _expected(form: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    return {key: fact_type for key, fact_type in form.items() if key in facts or key not in OPTIONAL_FACTS}


def _input_faults(facts: dict[str, Any]) -> Iterator[str]:
    if facts["kind"] not in INPUTS:
        yield f"input.kind is {facts['kind'][:100]!r}, which this tlkit does not know"
    form = _expected(INPUTS[facts["kind"]], facts)
    yield from schema.mismatches(facts, form, "input")
    for key in facts.keys() - form.keys() - {"kind", "resize"}:
        yield f"input.{key[:100]} is not known"
    if facts["kind"] == "table":
        yield from table_columns.faults(facts)
    for key, known in CHOICES.items():
        if key in facts and facts[key] not in known:
            yield f"input.{key} is {facts[key]!r:.100}, which this tlkit does not know"
    for key, fact_type in form.items():
        if fact_type is int and not 0 <= facts[key] <= MAX_SIZE:
            yield f"input.{key} is not a number from 0 to {MAX_SIZE:,}"
    if "sampling" in form:
        try:
            Sampling(**facts["sampling"])
        except (TypeError, InputError) as error:
            yield f"input.sampling: {error!s:.200}"
