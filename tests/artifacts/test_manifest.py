"""What an artifact says of itself is checked, whatever stands in it, and so are the files beside it."""

from __future__ import annotations

import copy
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.manifest_facts import CONTENTS, FACTS, FINGERPRINT, OLD_TEXT, SHARD, TEXT, sha
from tlkit.artifacts import manifest
from tlkit.errors import ArtifactError

DEEP = {"tlkit": json.loads("[" * 900 + "]" * 900)}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Lay out something that has the files of an artifact."""
    for name, data in CONTENTS.items():
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_bytes(data)
    return write(tmp_path / "out", FACTS)


def write(place: Path, facts: Any) -> Path:
    (place / "tlkit.json").write_text(json.dumps(facts))
    return place


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return facts of which one, named "a.b", is another; None takes it away."""
    facts = copy.deepcopy(FACTS)
    *parents, last = path.split(".")
    inner = facts
    for key in parents:
        inner = inner[key]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return facts


def load(place: Path) -> dict[str, Any]:
    facts = manifest.read(place)
    manifest.verify(place, facts["files"])
    return facts


def test_sound_facts_pass(place: Path) -> None:
    assert load(place) == FACTS
    for facts in (changed("input", TEXT), changed("metrics", None), changed("more", [1])):
        assert load(write(place, facts)) == facts


# === Facts ===


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("schema", None, "it states no schema"),
        ("schema", "1", "it states no schema"),
        ("schema", True, "it states no schema"),
        ("labels", None, "labels is missing"),
        ("labels", "ab", "labels is of type str, not list"),
        ("labels", ["a", 5], r"labels\[1\] is of type int, not str"),
        ("labels", [], "it has 0 labels, not 1 to 100,000"),
        ("labels", ["a"], "it has 1 labels, which do not suit its target, label"),
        ("labels", ["a", "b", "a"], "two labels are the same"),
        ("target", None, "target is missing"),
        ("target.name", "rank", r"target\.name is 'rank', which this tlkit does not know"),
        ("target.mean", 1.0, r"target\.mean is not known"),
        ("target", {"name": "value", "mean": 0.0}, r"target\.scale is missing"),
        (
            "target",
            {"name": "value", "mean": 0.0, "scale": 1.0},
            "it has 2 labels, which do not suit its target, value",
        ),
        ("head", 3, "head is of type int, not str"),
        ("backbone", ["own"], "backbone is of type list, not dict"),
        ("backbone.name", 1, r"backbone\.name is of type int, not str"),
        ("backbone.blocks", ["a", None], r"backbone\.blocks\[1\] is of type NoneType, not str"),
        ("backbone.params", 1.5, r"backbone\.params is of type float, not int"),
        ("backbone.params", True, r"backbone\.params is of type bool, not int"),
        ("backbone.stem", None, r"backbone\.stem is missing"),
        ("weights.origin", {}, r"weights\.origin is of type dict, not str"),
        ("parity.real", 1, r"parity\.real is of type int, not bool"),
        ("parity.spread", "wide", r"parity\.spread is of type str, not float"),
        ("metrics", [], "metrics is of type list, not dict"),
        ("metrics.loss", "low", r"metrics\.loss is 'low', not float or null"),
        ("versions", {}, r"versions\.tlkit is missing"),
        ("versions.keras", 3, r"versions\.keras is of type int, not str"),
        ("files", [], "files is of type list, not dict"),
        ("files.README.md", 5, "files.README is of type dict|files"),
        ("input.kind", "sound", r"input\.kind is 'sound', which this tlkit does not know"),
        ("input.kind", ["image"], r"input\.kind is of type list, not str"),
        ("input.resize", "bend", r"input\.resize is 'bend', which this tlkit does not know"),
        ("input.normalise", "lost", r"input\.normalise is 'lost', which this tlkit does not know"),
        ("input.normalise", ["tf"], r"input\.normalise is of type list, not str"),
        ("input.size", "16", r"input\.size is of type str, not int"),
        ("input.size", None, r"input\.size is missing"),
        ("input.size", 10**9, r"input\.size is not a number from 0 to 10,000"),
        ("input.minimum", -1, r"input\.minimum is not a number from 0 to 10,000"),
        ("input.features", ["map"], r"input\.features is not known"),
        ("input", TEXT | {"vocabulary": ["a"]}, r"input\.vocabulary is not known"),
        ("input", TEXT | {"lowercase": 1}, r"input\.lowercase is of type int, not bool"),
        ("input", TEXT | {"family": "os"}, r"input\.family is 'os', which this tlkit does not know"),
        ("input", TEXT | {"family": 3}, r"input\.family is of type int, not str"),
        ("input", TEXT | {"segments": 3}, r"input\.segments is 3, which this tlkit does not know"),
        ("input", TEXT | {"segments": True}, r"input\.segments is of type bool, not int"),
        ("input", TEXT | {"words": 1}, r"input\.words is of type int, not bool"),
        ("input.words", True, r"input\.words is not known"),
    ],
)
def test_facts_that_cannot_be(place: Path, path: str, value: Any, message: str) -> None:
    facts = changed(path, value) if path != "files.README.md" else changed("files", FACTS["files"] | {"README.md": 5})
    message = r"files\.README\.md is of type int, not str" if path == "files.README.md" else message
    with pytest.raises(ArtifactError, match=rf"tlkit\.json is damaged: {message}; export the model again"):
        manifest.read(write(place, facts))


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "null", '{"schema": 1' + "0" * 5000 + "}", "\ud800"])
def test_facts_that_are_no_facts(place: Path, text: str) -> None:
    (place / "tlkit.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ArtifactError, match=r"tlkit\.json is damaged: .*; export the model again"):
        manifest.read(place)


@pytest.mark.parametrize("bomb", ["[" * 100_000, '{"schema":' * 100_000, '{"schema": 1, "labels": ' + "[" * 99_999])
def test_facts_that_are_nested_too_deeply(place: Path, bomb: str) -> None:
    (place / "tlkit.json").write_text(bomb)
    with pytest.raises(ArtifactError, match="is damaged: it is nested too deeply; export the model again"):
        manifest.read(place)


def test_more_facts_than_are_read(place: Path) -> None:
    begin = time.monotonic()
    (place / "tlkit.json").write_text('{"schema": 1, "labels": [' + '"",' * 10**7 + '""]}')
    with pytest.raises(ArtifactError, match=r"it has [0-9,]+ bytes, at most 16,000,000 are read, and 100,000 labels"):
        manifest.read(place)
    write(place, changed("labels", [str(number) for number in range(100_001)]))
    with pytest.raises(ArtifactError, match="it has 100,001 labels, not 1 to 100,000"):
        manifest.read(place)
    assert time.monotonic() - begin < 5


def test_a_directory_without_facts(tmp_path: Path) -> None:
    with pytest.raises(
        ArtifactError, match=r"is not an artifact: it has no tlkit\.json; name a directory tlkit\.export"
    ):
        manifest.read(tmp_path)


@pytest.mark.parametrize("given", [OLD_TEXT, TEXT, TEXT | {"words": True}])
def test_inputs_of_texts_old_and_new(place: Path, given: dict[str, Any]) -> None:
    from tlkit.artifacts.artifact import _input
    from tlkit.models.text.text_backbones import TextInput

    read = manifest.read(write(place, changed("input", given)))
    family, segments = ("bert", 1) if given is OLD_TEXT else ("roberta", 2)
    assert _input(read) == TextInput(16, family=family, segments=segments, words="words" in given)
    assert TEXT.keys() - {"kind", "resize"} == TextInput().facts().keys()
    assert (
        TextInput(words=True).facts().keys() == TextInput().facts().keys() | {"words"} == manifest.INPUTS["text"].keys()
    )


@pytest.mark.parametrize(("told", "temperature"), [({}, 1.0), ({"temperature": 1.7}, 1.7)])
def test_labels_calibrated_or_older_than_calibration(place: Path, told: dict[str, float], temperature: float) -> None:
    from tlkit.artifacts.artifact import _target
    from tlkit.tasks.targets import Label

    read = manifest.read(write(place, changed("target", {"name": "label"} | told)))
    assert _target(read) == Label(("a", "b"), temperature)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("inf"), float("nan")])
def test_a_temperature_is_above_zero(place: Path, temperature: float) -> None:
    facts = changed("target", {"name": "label", "temperature": temperature})
    with pytest.raises(ArtifactError, match=r"target\.temperature is (not a finite number above 0|of type NoneType)"):
        manifest.read(write(place, facts))


# === Schemas ===


@pytest.mark.parametrize(
    ("versions", "writer"),
    [
        ({"tlkit": "7.2"}, "7.2"),
        ({}, "of no stated version"),
        ([], "of no stated version"),
        (DEEP, "of no stated version"),
    ],
)
@pytest.mark.parametrize("schema", [0, 9])
def test_another_schema_is_refused_naming_who_wrote_it(place: Path, schema: int, versions: Any, writer: str) -> None:
    message = f"has schema {schema}, written by tlkit {writer}; this tlkit reads schema 2. Install the tlkit that wrote"
    with pytest.raises(ArtifactError, match=message):
        manifest.read(write(place, {"schema": schema, "versions": versions}))


def test_an_older_schema_is_upgraded_step_by_step(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "SCHEMA", 4)
    monkeypatch.setitem(manifest.UPGRADES, 2, lambda facts: {k: v for k, v in facts.items() if k != "heads"})
    monkeypatch.setitem(manifest.UPGRADES, 3, lambda facts: facts | {"head": facts["head"] + "!"})
    monkeypatch.setitem(manifest.UPGRADES, 4, lambda facts: 1 / 0)
    assert manifest.read(place)["head"] == "own!"


def test_the_first_schema_knew_one_label_only(place: Path) -> None:
    first = {key: value for key, value in FACTS.items() if key != "target"} | {"schema": 1}
    assert manifest.read(write(place, first)) == FACTS | {"target": {"name": "label"}}


@pytest.mark.parametrize("scale", [0.0, -1.0, float("inf"), float("nan")])
def test_a_value_needs_a_scale(place: Path, scale: float) -> None:
    facts = changed("target", {"name": "value", "mean": 0.0, "scale": scale}) | {"labels": ["price"]}
    with pytest.raises(
        ArtifactError, match=r"target\.(mean and target\.scale are not finite, or the scale|scale is of type NoneType)"
    ):
        manifest.read(write(place, facts))


def test_an_older_schema_that_is_damaged(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "SCHEMA", 3)
    monkeypatch.setitem(manifest.UPGRADES, 2, lambda facts: facts | {"head": facts["top"]})
    with pytest.raises(ArtifactError, match=r"tlkit\.json is damaged: of its schema 2, KeyError\('top'\); export the"):
        manifest.read(place)


# === Files ===


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "saved_model/../../x", "a\\b", "C:/x", "", "a\0"])
def test_a_list_that_leads_out(place: Path, name: str) -> None:
    with pytest.raises(
        ArtifactError, match=r"it lists '.*', which may lead out of the artifact; export the model again"
    ):
        load(write(place, changed("files", FACTS["files"] | {name: sha(b"")})))


STRANGE = ("2/saved_model.pb", "1/saved_model.cpb", "1/assets/words", "1/debug/a")


@pytest.mark.parametrize("name", [f"saved_model/{name}" for name in STRANGE])
def test_a_list_of_what_is_not_exported(place: Path, name: str) -> None:
    with pytest.raises(ArtifactError, match=f"it lists '{name}', which tlkit does not export"):
        load(write(place, changed("files", FACTS["files"] | {name: sha(b"")})))


@pytest.mark.parametrize("name", [*manifest.REQUIRED_FILES, SHARD])
def test_a_list_that_omits_what_matters(place: Path, name: str) -> None:
    with pytest.raises(ArtifactError, match=f"it lists no digest of {name}; export the model again"):
        load(write(place, changed("files", {key: digest for key, digest in FACTS["files"].items() if key != name})))


def test_a_list_that_omits_a_part_of_the_variables(place: Path) -> None:
    listed = FACTS["files"] | {SHARD.replace("00000-of-00001", f"0000{n}-of-00003"): sha(b"") for n in (0, 1)}
    del listed[SHARD]
    with pytest.raises(ArtifactError, match=r"it lists no digest of .*variables.data-0000.-of-0000"):
        load(write(place, changed("files", listed)))


@pytest.mark.parametrize("digest", ["", "md5:" + "0" * 32, "sha256:0", "sha256:" + "F" * 64])
def test_a_list_of_what_are_no_digests(place: Path, digest: str) -> None:
    with pytest.raises(ArtifactError, match=r"the digest of model\.keras is '.*', not sha256: and 64 digits"):
        load(write(place, changed("files", FACTS["files"] | {"model.keras": digest})))


@pytest.mark.parametrize("name", CONTENTS)
def test_a_changed_or_missing_file(place: Path, name: str) -> None:
    (place / name).write_bytes(b"changed")
    with pytest.raises(
        ArtifactError, match=f"{name} was changed: {sha(b'changed')}, not {sha(CONTENTS[name])}; export"
    ):
        load(place)
    (place / name).unlink()
    with pytest.raises(ArtifactError, match=f"{name} is missing; export the model again"):
        load(place)


@pytest.mark.parametrize("name", [*(f"saved_model/{name}" for name in STRANGE), FINGERPRINT])
def test_a_file_that_is_not_listed(place: Path, name: str) -> None:
    (place / name).parent.mkdir(exist_ok=True)
    (place / name).touch()
    write(place, changed("files", {key: digest for key, digest in FACTS["files"].items() if key != name}))
    with pytest.raises(
        ArtifactError, match=rf"{name} is not listed in .*tlkit\.json; remove it or export the model again"
    ):
        load(place)


def link(place: Path, goal: Path, name: str) -> None:
    os.rename(place / name, goal)
    (place / name).symlink_to(goal)


@pytest.mark.parametrize("name", ["model.keras", "saved_model", f"{manifest.ROOT}/variables", SHARD])
def test_a_link_is_refused(place: Path, tmp_path: Path, name: str) -> None:
    link(place, tmp_path / "elsewhere", name)
    with pytest.raises(ArtifactError, match=r"is a link, which may lead anywhere; copy the artifact with its files"):
        load(place)


def test_a_link_that_nobody_lists_is_refused(place: Path, tmp_path: Path) -> None:
    (place / "saved_model" / "2").symlink_to(tmp_path)
    with pytest.raises(ArtifactError, match=r"saved_model/2 is a link"):
        load(place)


def test_an_artifact_may_lie_behind_a_link(place: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(place)
    assert load(tmp_path / "link") == FACTS


def test_what_a_run_leaves_beside_the_model_is_let_be(place: Path) -> None:
    (place / "run.json").write_text("{}")
    assert load(place) == FACTS


def test_a_link_in_a_circle_is_refused(place: Path) -> None:
    (place / "saved_model" / "2").symlink_to("2")
    with pytest.raises(ArtifactError, match=r"saved_model/2 is not listed in .*tlkit\.json; remove it"):
        load(place)
    (place / "README.md").unlink()
    (place / "README.md").symlink_to("README.md")
    with pytest.raises(ArtifactError, match=r"README\.md is missing; export the model again"):
        load(place)


@pytest.mark.parametrize("name", ["a" * 300, "a/" * 3000 + "a"])
def test_a_name_that_no_file_can_have(place: Path, name: str) -> None:
    with pytest.raises(ArtifactError, match=r"a is missing; export the model again"):
        load(write(place, changed("files", FACTS["files"] | {name: sha(b"")})))
