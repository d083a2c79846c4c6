"""Answering in a process of its own: within limits, with the same answers, and with nobody left behind."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tlkit
from tests.helpers import tiny_generators, tiny_models
from tests.helpers.forged_artifacts import forge
from tests.helpers.table_rows import COLUMNS, ROWS
from tlkit.artifacts import export, isolated_worker, isolation
from tlkit.cli import commands
from tlkit.errors import ArtifactError, InputError
from tlkit.models.tabular.table_input import TABULAR, TableInput

PROOF = {"samples": 0, "real": False, "max_difference": 0.0, "spread": 0.0}
USUAL, LOOP, HUGE, FAIL = 10, 200, 100, 50  # brightness: what the moody model below is told by
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits memory and lists processes")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export a small classifier; that a fresh process answers as it does is shown elsewhere."""
    clf, out = (
        tiny_models.spread(tiny_models.tiny_classifier(3), tiny_models.pictures(16, 16)),
        tmp_path_factory.mktemp("a") / "out",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "_prove", lambda *_: PROOF)
        tlkit.export(clf, out)
    return out


@pytest.fixture(scope="module")
def moody(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an artifact whose graph only computes, but of some pictures without an end or bound."""
    import tensorflow as tf

    def endless(bright: tf.Tensor) -> tf.Tensor:
        return tf.while_loop(lambda x: x > 0, lambda x: [x + 1e-3 * tf.sin(x)], [bright])[0]

    def huge(bright: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.fill([tf.cast(bright, tf.int64) * 0 + 2**40], bright))

    class Moody(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 16, 16, 3), tf.float32)])
        def serve(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
            bright = pixels[0, 0, 0, 0]
            found = tf.case(
                [
                    (tf.equal(bright, LOOP), lambda: endless(bright)),
                    (tf.equal(bright, HUGE), lambda: huge(bright)),
                    (tf.equal(bright, FAIL), lambda: tf.reshape(pixels, [tf.cast(bright, tf.int32)])[0]),
                ],
                default=lambda: bright,
            )
            shares = tf.tile([[0.75, 0.25]], [tf.shape(pixels)[0], 1]) + 0 * found
            return {"top_k_probabilities": shares, "top_k_labels": tf.fill(tf.shape(shares), "a")}

    folder = Path(shutil.copytree(exported, tmp_path_factory.mktemp("moody") / "out"))
    shutil.rmtree(folder / "saved_model" / "1")
    model = Moody()
    tf.saved_model.save(model, str(folder / "saved_model" / "1"), signatures={"serve_array": model.serve})
    forge(folder)
    return folder


@pytest.fixture
def closing() -> Iterator[list]:
    """Close what a test has put into a list."""
    opened: list[Any] = []
    yield opened
    for each in opened:
        each.close()


def picture(bright: float) -> np.ndarray:
    return np.full((16, 16, 3), bright, np.float32)


def lives(pid: int) -> bool:
    """Tell whether a process is there and no mere entry that waits to be read."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


# === The real thing ===


@linux
def test_limits_end_what_does_not_end_and_the_rest_is_answered(moody: Path, exported: Path, closing: list) -> None:
    artifact = tlkit.load(moody, timeout=300, memory=1_000_000_000)
    closing.append(artifact)
    (usual,) = artifact.predict(picture(USUAL))
    assert (usual.label, usual.probability) == ("a", 0.75)
    first = artifact._worker._process.pid

    with pytest.raises(ArtifactError) as caught:
        artifact.predict(picture(HUGE))
    assert str(caught.value) == (
        f"{moody}: answering needs more memory than 1,000,000,000 bytes; raise --memory (memory=), give fewer items at "
        f"a time, or do not use this model"
    )
    with pytest.raises(ArtifactError, match=r"answering failed in its own process: InvalidArgumentError: .*; export"):
        artifact.predict(picture(FAIL))
    assert artifact.predict(picture(USUAL)) == [usual] and artifact._worker._process.pid == first  # it goes on

    artifact._worker.allowed = dataclasses.replace(artifact._worker.allowed, timeout=0.5)
    with pytest.raises(ArtifactError) as caught:
        artifact.predict([picture(LOOP)] * 2)
    assert str(caught.value) == (
        f"{moody}: answering 2 items took longer than 0.5 s and was stopped; raise --timeout (timeout=) if it may take "
        f"that long, or do not use this model"
    )
    assert not lives(first)


@pytest.mark.slow
def test_answers_are_equal_to_the_bit(exported: Path, closing: list) -> None:
    plain, apart = tlkit.load(exported), tlkit.load(exported, isolate=True)
    closing.append(apart)
    pixels = tiny_models.pictures(5, 16, seed=3).astype(np.uint8)
    for items in (pixels, [png(each) for each in pixels]):
        assert apart.predict(items, batch_size=3) == plain.predict(items, batch_size=3)
        name, encoded = plain.input.encode(items)
        here, there = plain._answer(name, encoded), apart._answer(name, encoded)
        assert {key: value.dtype for key, value in here.items()} == {key: value.dtype for key, value in there.items()}
        assert all(value.tobytes() == there[key].tobytes() for key, value in here.items() if value.dtype.kind != "O")
    os.kill(apart._worker._process.pid, signal.SIGKILL)  # as the system does where memory ends
    with pytest.raises(ArtifactError, match=r"answering 5 items was ended by a crash of its process \(SIGKILL\)"):
        apart.predict(pixels)
    assert apart.predict(pixels[:1]) == plain.predict(pixels[:1])  # by another process


def png(pixels: np.ndarray) -> bytes:
    import tensorflow as tf

    return tf.io.encode_png(pixels).numpy()


def test_without_limits_there_is_no_process(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*_: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(isolation.Worker, "_start", start)
    assert tlkit.load(exported).predict(picture(USUAL))
    with pytest.raises(AssertionError, match="a process was started"):
        tlkit.load(exported, timeout=5).predict(picture(USUAL))


@pytest.mark.parametrize("what", ["served", "model"])
def test_nothing_of_an_isolated_artifact_runs_here(exported: Path, what: str) -> None:
    artifact = tlkit.load(exported, isolate=True)
    with pytest.raises(InputError, match=r"was loaded with isolate=True and answers by `predict` alone: its .*odel "):
        getattr(artifact, what)
    artifact.close()  # there is nothing to close yet


# === Limits that cannot be ===


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 1e7, "5", True])
def test_a_timeout_that_is_none(timeout: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^timeout=.*: give seconds, more than 0 and at most 1,000,000$"):
        tlkit.load(tmp_path, timeout=timeout)


@linux
@pytest.mark.parametrize("memory", [0, 99_999_999, -5, 2**60, 1e9, "2GB", True])
def test_a_memory_that_is_none(memory: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^memory=.*: give bytes, at least 100,000,000, with which TensorFlow"):
        tlkit.load(tmp_path, memory=memory)


def test_where_memory_has_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert isolation.limits(True, 5) == isolation.Limits(5, None)
    with pytest.raises(InputError, match="only Linux limits memory; leave it out, a limit of time works here"):
        isolation.limits(True, 5, 10**9)


@linux
def test_what_implies_isolation() -> None:
    assert isolation.limits() is None
    assert isolation.limits(True) == isolation.Limits(None, 4_000_000_000)
    assert isolation.limits(timeout=5) == isolation.Limits(5, 4_000_000_000)
    assert isolation.limits(memory=10**9) == isolation.Limits(None, 10**9)


# === Processes that misbehave ===


def ask(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, timeout: float | None = 60) -> Any:
    """Ask a process that runs some code in the place of the true one."""
    script = tmp_path / "worker.py"
    script.write_text(f"import os, sys, time\n{textwrap.dedent(code)}\n")
    monkeypatch.setattr(isolated_worker, "__file__", str(script))
    worker = isolation.Worker(tmp_path, tmp_path, (), isolation.Limits(timeout, 10**9))
    try:
        return worker.ask("serving_default", np.zeros(2))
    finally:
        assert worker._process is None  # it was ended


READY = "h = b'{\"facts\": {}, \"arrays\": []}'; m = len(h).to_bytes(4, 'big') + h; os.write(1, m)\n"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "os.write(1, b'I am no worker, ha ha'); time.sleep(999)",
            "loading was stopped, as its process sent what is no answer",
        ),
        (
            READY + "os.write(1, bytes(3) + b'\\x02{]'); time.sleep(999)",
            r"answering 2 items was stopped, as its process sent what is no",
        ),
        ("sys.exit(3)", r"loading was ended by a crash of its process \(exit code 3\); perhaps 1,000,000,000 bytes"),
        (
            READY + "sys.stdin.buffer.read(99); os.abort()",
            r"answering 2 items was ended by a .*\(SIGABRT\); perhaps",
        ),
        (
            READY.replace("{}", '{"error": "No\\\\u001b[2J", "message": "a\\\\nb"}'),
            r"loading failed in its own process: No \[2J: a b; export the model again",
        ),
    ],
)
def test_a_process_that_misbehaves(code: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArtifactError, match=message):
        ask(code, tmp_path, monkeypatch)


def test_one_that_never_stops_writing_or_reading_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    announced = '{"facts": {}, "arrays": [{"name": "a", "dtype": "int8", "shape": [268435456], "bytes": 268435456}]}'
    drop = READY + f"h = {announced.encode()!r}; os.write(1, len(h).to_bytes(4, 'big') + h)\ntime.sleep(999)"
    with pytest.raises(ArtifactError, match=r"answering 2 items took longer than 0\.2 s and was stopped"):
        ask(drop, tmp_path, monkeypatch, 0.2)
    more = READY + drop.partition("\n")[2].replace("268435456", "268435457")
    with pytest.raises(ArtifactError, match=r"more than 268,435,456 bytes of arrays\. Ask for fewer items at a time"):
        ask(more, tmp_path, monkeypatch)


def test_one_that_is_never_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "LOADING_SECONDS", 0.2)
    with pytest.raises(ArtifactError, match=r"loading took longer than 0\.2 s and was stopped; try again when"):
        ask("time.sleep(999)", tmp_path, monkeypatch)


@linux
def test_what_a_process_started_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        f"p = os.fork() or time.sleep(999)\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(p))\n{READY}time.sleep(999)"
    )
    with pytest.raises(ArtifactError, match="took longer"):
        ask(code, tmp_path, monkeypatch, 0.2)
    pid = int((tmp_path / "pid").read_text())
    assert gone(pid)


def gone(pid: int) -> bool:
    """Wait until a process that is no child of this one has gone; False where it stays."""
    return any(not lives(pid) or time.sleep(0.1) for _ in range(600))


def test_ctrl_c_ends_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(isolation.threading.Thread, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ask("time.sleep(999)", tmp_path, monkeypatch)


@linux
@pytest.mark.slow
def test_a_process_goes_when_the_one_that_asked_is_killed(moody: Path, tmp_path: Path) -> None:
    code = f"""
        import threading, time, numpy, tlkit
        artifact = tlkit.load({str(moody)!r}, isolate=True)
        artifact.predict(numpy.full((16, 16, 3), {USUAL}))
        print(artifact._worker._process.pid, flush=True)
        artifact.predict(numpy.full((16, 16, 3), {LOOP}))
    """
    home = {**os.environ, "PYTHONPATH": str(Path(commands.__file__).resolve().parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True, env=home
    ) as parent:
        pid = int(parent.stdout.readline())
        time.sleep(1)  # it is in the loop by now, or else the test shows a little less
        assert lives(pid)
        parent.kill()
    assert gone(pid)


# === The command line ===


def command(*arguments: object) -> tuple[int, str, str]:
    code = "import sys; from tlkit.cli import main; sys.exit(main())"
    home = {**os.environ, "PYTHONPATH": str(Path(commands.__file__).resolve().parents[2])}
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, env=home)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def told(capsys: pytest.CaptureFixture) -> Any:
    """Return a function that runs a command here and gives its exit code, stdout and stderr."""

    def run_here(*arguments: object) -> tuple[int, str, str]:
        return commands.main(list(map(str, arguments))), *capsys.readouterr()

    return run_here


def test_the_command_passes_its_limits_on(told: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = []

    def load(path: str, **limits: Any) -> None:
        seen.append(limits)
        raise ArtifactError("far enough")

    monkeypatch.setattr("tlkit.artifacts.artifact.load", load)
    told("predict", tmp_path, "a.png", "--timeout", "5", "--memory", "2GB")
    told("predict", tmp_path, "a.png", "--isolate")
    told("predict", tmp_path, "a.png")
    assert seen == [
        {"isolate": False, "timeout": 5.0, "memory": 2_000_000_000},
        {"isolate": True, "timeout": None, "memory": None},
        {"isolate": False, "timeout": None, "memory": None},
    ]


@pytest.mark.parametrize("name", [("predict",), ("evaluate", "digits"), ("export", "--out", "out")])
def test_commands_refuse_limits_that_cannot_be(told: Any, name: tuple, exported: Path) -> None:
    code, _, err = told(name[0], exported, *name[1:], "--timeout", "nan")
    assert code == 2 and err == "tlkit: error: timeout=nan: give seconds, more than 0 and at most 1,000,000\n"


def test_a_whole_command_that_takes_too_long_or_crashes(tmp_path: Path) -> None:
    for code, allowed, message in (
        ("import time; time.sleep(999)", isolation.Limits(0.2), r"^it took longer than 0\.2 s and was stopped; raise"),
        (
            f"import sys; sys.exit({isolation.OUT_OF_MEMORY_CODE})",
            isolation.Limits(9, 10**9),
            "^it needs more memory than 1,000,000",
        ),
        ("import os; os.abort()", isolation.Limits(99), r"^it was ended by a crash of its process \(SIGABRT\)"),
    ):
        with pytest.raises(ArtifactError, match=message):
            isolation.run([sys.executable, "-c", code], "it", allowed)
    quick = "import sys; from tlkit.artifacts import isolated_worker; isolated_worker.end_with(0); sys.exit(3)"
    assert isolation.run([sys.executable, "-c", quick], "it", isolation.Limits()) == 3  # it is no crash when it ends
    tidy = f"""if True:
        import pathlib, signal, time
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            time.sleep(999)
        except KeyboardInterrupt:
            pathlib.Path({str(tmp_path / "tidy")!r}).touch()
    """
    with pytest.raises(ArtifactError, match="it took longer than 1 s"):
        isolation.run([sys.executable, "-c", tidy], "it", isolation.Limits(1))
    assert (tmp_path / "tidy").exists()
    assert isolation.run([sys.executable, "-c", "import sys; sys.exit(2)"], "it", isolation.Limits()) == 2


def test_a_command_in_a_process_of_its_own_starts_a_function_that_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    monkeypatch.setattr(isolation, "run", lambda words, *_: started.append(words) or 0)
    assert commands.main(["evaluate", "artifact", "data", "--isolate", "--timeout", "9"]) == 0
    _, safe, option, code, memory, *arguments = started[0]
    assert (safe, option, int(memory), arguments[0]) == ("-P", "-c", isolation.DEFAULT_MEMORY, "evaluate")
    names: dict[str, object] = {}
    exec(code.rpartition(";")[0], names)
    assert names["limited"] is commands.limited


@linux
@pytest.mark.slow
def test_commands_that_run_the_keras_model(exported: Path, tmp_path: Path) -> None:
    out = tmp_path / "again"
    code, told, err = command("export", exported, "--out", out, "--isolate", "--timeout", "500")
    assert (code, told, err) == (0, f"artifact: {out}\n", "")
    assert tlkit.load(out).labels == ("0", "1", "2")
    code, _, err = command("export", exported, "--out", tmp_path / "more", "--timeout", "0.5")
    assert code == 2 and err.startswith(f"tlkit: error: {exported}: tlkit export took longer than 0.5 s")
    rng = np.random.default_rng(0)
    for label in "012":
        for number in range(12):
            path = tmp_path / "data" / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(rng.integers(0, 256, (16, 16, 3)).astype(np.uint8)))
    plain = command("evaluate", exported, tmp_path / "data")
    apart = command("evaluate", exported, tmp_path / "data", "--isolate")
    assert plain[0] == apart[0] == 0 and plain[2] == apart[2]
    assert plain[1].splitlines()[1:] == apart[1].splitlines()[1:]  # the first line says how long it took


@linux
@pytest.mark.slow
def test_predict_on_the_command_line(moody: Path, tmp_path: Path, exported: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(tiny_models.pictures(1, 16)[0].astype(np.uint8)))
    plain = command("predict", exported, path)
    assert plain[0] == 0 and command("predict", exported, path, "--isolate", "--timeout", "300") == plain
    code, told, err = command("predict", moody, path, "--timeout", "100")  # it has no such signature
    assert (code, told) == (2, "") and "Traceback" not in err and err.count("\n") == 1


# === Every kind of answer ===


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tags", "value", "text", "pairs", "entities", "reply", "summary", "table"])
def test_every_kind_of_answer(kind: str, tmp_path: Path, closing: list, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_prove", lambda *_: PROOF)
    clf, items = KINDS[kind](tmp_path)
    tlkit.export(clf, tmp_path / "out")
    plain, apart = tlkit.load(tmp_path / "out"), tlkit.load(tmp_path / "out", timeout=300)
    closing.append(apart)
    found = plain.predict(items)
    assert len(found) == len(items) and apart.predict(items) == found


def _pictures(target: Any) -> Any:
    return lambda _: (tiny_models.tiny_classifier(target), tiny_models.pictures(4, 16, seed=3))


def _tagger(folder: Path) -> tuple[Any, list[str]]:
    return tlkit.minilm_entities(
        ("O", "B-A", "I-A"), size=12, weights=tiny_models.tiny_bert(folder / "bert")
    ), tiny_models.TEXTS


def _pairs(folder: Path) -> tuple[Any, list[tuple]]:
    options = {"size": 16, "weights": tiny_models.tiny_bert(folder / "bert"), "pairs": True}
    return tlkit.classifier("minilm_l6", "mean_dense", 3, **options), [("the cat", "a loan"), ("", "the dog")]


def _table(_: Path) -> tuple[Any, list[list]]:
    given = TableInput.of(COLUMNS, ROWS)
    row = dataclasses.replace(next(iter(TABULAR.values())), input=given)
    return tlkit.classifier(row, "vector_dense", 2, weights=None), ROWS.tolist()


KINDS = {
    "tags": _pictures(tlkit.Tags(("a", "b"))),
    "value": _pictures(tlkit.Value(("price",), 3.0, 2.0)),
    "text": lambda folder: (tiny_models.text_classifier(folder / "bert"), tiny_models.TEXTS),
    "pairs": _pairs,
    "entities": _tagger,
    "reply": lambda _: (tiny_generators.decoder(), tiny_generators.PROMPTS),
    "summary": lambda _: (tiny_generators.seq2seq(), tiny_generators.PROMPTS),
    "table": _table,
}
