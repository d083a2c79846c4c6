"""The command line as a person meets it: exit codes, one message, nothing that need not be read."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers import made_up_runs, tiny_models
from tests.helpers.run_directories import contents, export_little, save_pictures
from tlkit.artifacts import artifact, export
from tlkit.cli import commands
from tlkit.models import classifier, factories, heads
from tlkit.models.backbone import Backbone
from tlkit.models.generation import generators
from tlkit.models.vision.image_backbones import VISION
from tlkit.models.vision.image_input import ImageInput
from tlkit.runs import preview, record, run
from tlkit.training import estimate
from tlkit.utils import files

TINY = ("--backbone", "tiny", "--head", "pool_dense", "--weights", "random", "--epochs", "1,1")


def tlkit(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess:
    """Run the command in a process of its own."""
    command = [sys.executable, "-c", "import sys; from tlkit.cli import main; sys.exit(main())", *map(str, arguments)]
    inherited = {k: v for k, v in os.environ.items() if k not in ("TF_CPP_MIN_LOG_LEVEL", "TLKIT_QUIET")}
    home = {"PYTHONPATH": str(Path(commands.__file__).resolve().parents[2])}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=inherited | home | environment)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_pictures(tmp_path_factory.mktemp("data") / "photos")


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep what trainings store out of the developer's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TLKIT_HOME", str(folder := tmp_path_factory.mktemp("home")))
        yield folder


@pytest.fixture(scope="module")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train the tiny backbone by the command line, once."""
    VISION["tiny"] = Backbone(
        "tiny", tiny_models.tiny_backbone, ImageInput("tf", 16, 8), ("end1", "end2", "end3"), "stem"
    )
    out = tmp_path_factory.mktemp("runs") / "out"
    try:
        assert commands.main(["train", str(photos), *TINY, "--out", str(out), "--quiet"]) == 0
        yield out
    finally:
        del VISION["tiny"]


# === Help and tables ===


def test_help_is_light() -> None:
    done = tlkit("--help")
    assert done.returncode == 0 and done.stderr == ""
    code = (
        "import sys; from tlkit.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print({'numpy', 'tensorflow', 'keras', 'sklearn'} & set(sys.modules), file=sys.stderr)"
    )
    light = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert light.stderr.startswith("set()"), "what takes seconds to import waits for the command that needs it"
    for command in (
        "train",
        "doctor",
        "compare",
        "predict",
        "evaluate",
        "export",
        "backbones",
        "heads",
        "recipes",
        "weights",
        "cache",
    ):
        assert f"\n    {command}" in done.stdout


def test_every_option_of_train_is_a_setting_of_the_job(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit, match="0"):
        commands.main(["train", "--help"])
    told = capsys.readouterr().out
    for name in run.Job.__dataclass_fields__:
        option = {"flip": "--no-flip", "refit": "--no-refit", "data": "data"}.get(name, f"--{name.replace('_', '-')}")
        assert option in told


def test_without_a_command_the_help_is_shown(ask: object) -> None:
    code, out, _ = ask()
    assert code == 2 and out.startswith("usage: tlkit")


@pytest.mark.parametrize("words", [["recipes"], ["heads"], ["cache", "list"], ["cache", "clear"], []], ids=" ".join)
def test_short_answers_need_no_tensorflow(words: list[str]) -> None:
    code = f"import sys; from tlkit.cli import main; main({words!r}); assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_tables_name_every_row(ask: object) -> None:
    code, out, _ = ask("recipes")
    assert code == 0
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert rows == {name: [backbone, "+", head] for name, (_, backbone, head) in factories.FACTORIES.items()}

    rows = {line.split()[0]: line for line in ask("heads")[1].splitlines()}
    assert set(rows) == set(heads.HEADS) and "Flatten -> Dense(hidden, relu)" in rows["flatten_dense"]

    rows = {line.split()[0]: line.split()[1:] for line in ask("backbones")[1].splitlines()[1:]}
    assert set(rows) == {*classifier.table(), *generators.SUMMARIZERS}
    assert rows["vgg16"] == ["image", "224", "5", "14,714,688", "CC-BY-4.0"]
    assert rows["minilm_l6"][:4] == ["text", "128", "6", "22,713,216"]


# === Bad input ===


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "1,b"], "argument --epochs: invalid list of ints value: '1,b'"),
        (["--learning-rate", "x"], "argument --learning-rate: invalid list of floats value: 'x'"),
        (["--unfreeze", "x"], "argument --unfreeze: invalid number of blocks value: 'x'"),
        (["--resize", "squeeze"], "argument --resize: invalid choice: 'squeeze'"),
        (["--size", "big"], "argument --size: invalid int value: 'big'"),
        (["--precision", "half"], "argument --precision: invalid choice: 'half'"),
        (
            ["--cache-budget", "2 apples"],
            "argument --cache-budget: '2 apples' is no size; write bytes or a unit: 500MB",
        ),
        (["--cache-budget", "-1"], "argument --cache-budget: '-1' is no size"),
    ],
)
def test_options_that_cannot_be_parsed(options: list[str], message: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit, match="2"):
        commands.main(["train", "digits", "--out", "out", *options])
    assert message in capsys.readouterr().err


def test_numbers_reach_the_job(monkeypatch: pytest.MonkeyPatch, ask: object, tmp_path: Path) -> None:
    jobs = []

    def remember(job: run.Job, **options: object) -> None:
        jobs.append((job, options))
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "run_job", remember)
    out = str(tmp_path / "out")
    given = "--recipe vgg16_flatten_dense --head pool_dense --weights random --epochs 3,0 --learning-rate 1e-2,1e-5"
    more = "--unfreeze all --no-flip --quiet --overwrite --class-weight balanced --dropout 0.5"
    more += " --precision bfloat16 --cache-budget 1.5GiB --deterministic"
    code, _, err = ask("train", "digits", "--out", out, *given.split(), *more.split())
    assert code == 130 and err == "\ntlkit: interrupted; nothing half-written is left\n"
    ask("train", "digits", "--out", out, "--unfreeze", "2")
    parts = {"backbone": "vgg16", "head": "pool_dense", "weights": None, "dropout": 0.5, "class_weight": "balanced"}
    parts |= {"precision": "bfloat16", "cache_budget": 3 * 2**29, "deterministic": True}
    schedule = {"epochs": (3, 0), "learning_rate": (1e-2, 1e-5), "unfreeze": "all"}
    assert jobs == [
        (
            run.Job(data="digits", out=out, flip=False, **parts, **schedule),
            {"overwrite": True, "progress": False, "tensorboard": None},
        ),
        (run.Job(data="digits", out=out, unfreeze=2), {"overwrite": False, "progress": True, "tensorboard": None}),
    ]


def test_quick_refusals_need_no_tensorflow(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code = """if True:
        import sys
        from tlkit.cli import main
        codes = [main(["train", data, "--out", out, *more]) for data, out, *more in (
            ("nowhere/x", "out"), ("digits", "file"), ("digits", "/dev/null/x"), ("digits", "out", "--recipe", "vgg16")
        )]
        assert codes == [2, 2, 2, 2] and "tensorflow" not in sys.modules
    """
    home = {**os.environ, "PYTHONPATH": str(Path(commands.__file__).resolve().parents[2])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=home)
    assert done.returncode == 0, done.stderr
    messages = ("there is no file or folder", "file is a file", "cannot write /dev/null/x", "unknown recipe 'vgg16'; ")
    assert all(text in line for text, line in zip(messages, done.stderr.splitlines(), strict=True))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_no_network_where_one_is_needed(photos: Path, tmp_path: Path) -> None:
    """The message alone is on stderr: no traceback, and nothing of TensorFlow's start."""
    home = {"TLKIT_OFFLINE": "1", "TLKIT_HOME": str(tmp_path / "a"), "KERAS_HOME": str(tmp_path / "b")}
    started = time.perf_counter()
    done = tlkit("train", photos, "--recipe", "resnet50_pool_dense", "--out", tmp_path / "out", **home)
    seconds = time.perf_counter() - started
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1
    assert done.stderr.startswith("tlkit: error: the weights of resnet50 are not usable on this machine: TLKIT_OFFLINE")
    needed = "Needed: resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5 (94.8 MB) from https://storage."
    assert needed in done.stderr and f"put it at {tmp_path / 'b'}" in done.stderr
    assert "Available here: none" in done.stderr
    assert not (tmp_path / "out").exists()
    assert seconds < 30, "10 s on a quiet machine, most of it for importing TensorFlow"


def test_train_refuses(photos: Path, refused: object, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "out")
    assert "did you mean vgg16_flatten_dense" in refused("train", photos, *out, "--recipe", "vgg16_flaten_dense")
    assert "did you mean vgg19, vgg16" in refused("train", photos, *out, "--backbone", "vgg61")
    assert "did you mean pool_dense" in refused("train", photos, *out, "--head", "pool_dens")
    assert "has 2 phases (head, top); give 2" in refused("train", photos, *out, "--backbone", "vgg16", "--epochs", "1")
    assert not (tmp_path / "out").exists()


# === A trained model ===


def test_train_once_more(photos: Path, trained: Path, ask: object, refused: object) -> None:
    before = contents(trained)
    code, out, err = ask("train", photos, *TINY, "--out", trained)
    assert code == 0 and err == "" and f"{trained}: this run is finished; nothing was done again" in out
    assert "test: 2 examples, 2 classes" in out and out.endswith(f"artifact: {trained}\n")
    assert "epochs was [1, 1], now [2, 1]" in refused(
        "train", photos, *TINY, "--quiet", "--epochs=2,1", "--out", trained
    )
    assert contents(trained) == before


def test_train_for_machines(
    photos: Path, trained: Path, tmp_path: Path, ask: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "export", export_little)
    monkeypatch.setattr(estimate, "WORTH", 0)  # so short a training is not measured
    words = ["train", photos, *TINY, "--out", tmp_path / "out", "--json", "--tensorboard", tmp_path / "log"]
    code, out, err = ask(*words)
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and err == ""
    assert [line["event"] for line in lines] == ["plan", "estimate", "epoch", "phase", "epoch", "phase", "result"]
    assert lines[0]["examples"] == {"train": 12, "val": 2, "test": 2} and lines[0]["resumed"] is False
    assert [phase["epochs"] for phase in lines[0]["phases"]] == [1, 1]
    told = json.loads((tmp_path / "out" / "run.json").read_text())
    for event in ("epoch", "phase"):
        found = [{k: v for k, v in line.items() if k != "event"} for line in lines if line["event"] == event]
        assert found == told["history"][f"{event}s"]
    assert [phase["name"] for phase in lines[1]["phases"]] == ["head", "top"] and lines[1]["seconds"] > 0
    assert lines[6]["figures"] == told["figures"] and lines[6]["directory"] == str(tmp_path / "out")
    assert len(list((tmp_path / "log").glob("events.out.tfevents.*"))) == 1

    code, out, err = ask("train", photos, *TINY, "--out", trained, "--json", "--quiet")
    assert code == 0 and json.loads(out)["already"] is True
    code, out, err = ask(*words, "--seed", "1")
    assert (
        code == 2
        and out == ""
        and json.loads(err)["error"] == "RunError"
        and "seed was 0" in json.loads(err)["message"]
    )
    monkeypatch.setattr(run, "run_job", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    code, out, err = ask(*words)
    assert code == 130 and json.loads(err) == {
        "error": "Interrupted",
        "message": "interrupted; nothing half-written is left",
    }


def test_a_program_that_was_interrupted_ends_in_peace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(commands.TABLES, "heads", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    before = signal.getsignal(signal.SIGINT)
    try:
        assert commands.main(["heads"]) == 130 and signal.getsignal(signal.SIGINT) is before
        monkeypatch.setattr(sys, "argv", ["tlkit", "heads"])
        assert commands.main() == 130 and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_log_that_cannot_be_written(photos: Path, trained: Path, tmp_path: Path, refused: object) -> None:
    (tmp_path / "file").write_text("x")
    words = ["train", photos, *TINY, "--quiet", "--out", tmp_path / "out", "--tensorboard", tmp_path / "file"]
    assert "cannot write TensorBoard's files to" in refused(*words)
    assert not (tmp_path / "out").exists()


def test_a_summary_stands_before_the_figures(
    photos: Path, tmp_path: Path, ask: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = dataclasses.asdict(made_up_runs.history())
    made = types.SimpleNamespace(directory="there", already=False, report="FIGURES", ledger={"history": history})
    monkeypatch.setattr(run, "run_job", lambda *_, **__: made)
    words = ["train", photos, "--out", tmp_path / "out"]
    assert ask(*words)[1] == f"{preview.summary(history)}\nFIGURES\nartifact: there\n"
    assert ask(*words, "--quiet")[1] == "FIGURES\nartifact: there\n"


def test_what_a_run_leaves(trained: Path) -> None:
    there = {path.name for path in trained.iterdir()} - {".run.json.lock"}
    assert there == {record.LEDGER, *record.OWN} - {"quarantine.csv", "precision_recall.png", "tags.png", "values.png"}
    parity = json.loads((trained / "tlkit.json").read_text())["parity"]
    assert parity["samples"] == 2 and parity["max_difference"] <= 1e-5


def test_compare_a_run_with_its_copy(trained: Path, tmp_path: Path, ask: object) -> None:
    shutil.copytree(trained, tmp_path / "copy")
    code, out, err = ask("compare", trained, tmp_path / "copy", "--json")
    found = json.loads(out)
    assert code == 0 and err == "" and [one["p"] for one in found["tests"]] == [1.0] and found["notes"] == []
    assert found["best"]["mean"] == json.loads((trained / "report.json").read_text())["accuracy"]
    assert found["runs"][0] | {"directory": ""} == found["runs"][1] | {"directory": ""}
    assert "up to 1 epochs" in found["runs"][0]["facts"]["phase top"]


def test_predict(trained: Path, photos: Path, ask: object, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [photos / "red" / "0.png", photos / "dark" / "0.png"]
    code, out, err = ask("predict", trained, *files)
    lines = [line.split("\t") for line in out.splitlines()]
    assert code == 0 and err == "" and [line[2] for line in lines] == list(map(str, files))
    assert all(label in ("dark", "red") and 0.5 <= float(share) <= 1 for label, share, _ in lines)

    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{files[1]}\n"))
    (line,) = ask("predict", trained, "--json")[1].splitlines()
    found = json.loads(line)
    assert found["item"] == str(files[1]) and found["label"] == lines[1][0] == found["top_k"][0][0]
    assert found["top_k"][0][1] == pytest.approx(float(lines[1][1]), abs=1e-4)


def test_predict_keeps_silent_below_a_threshold(trained: Path, photos: Path, ask: object, refused: object) -> None:
    picture = photos / "red" / "0.png"
    label, share, _ = ask("predict", trained, picture)[1].split("\t")
    assert ask("predict", "--threshold", f"{float(share) - 0.001:.4f}", trained, picture)[1].startswith(label)
    silent = ask("predict", "--threshold", "1", trained, picture)[1]
    assert float(share) < 1 and silent.startswith(f"?\t{share}")
    assert '"label": null' in ask("predict", "--json", "--threshold", "1", trained, picture)[1]
    assert ask("predict", trained, "--threshold", "1", picture)[1] == silent
    message = refused("predict", "--threshold", "1.5", trained, picture)
    assert "threshold=1.5: give a probability, 0 to 1, to a model of one label each" in message


@pytest.mark.parametrize("given", [("predict", "x", "--jsn", "a.png"), ("doctor", "x", "y")])
def test_words_that_no_command_knows(given: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        commands.main(given)
    assert stop.value.code == 2 and "unrecognized arguments: " in capsys.readouterr().err


def test_predict_refuses(trained: Path, refused: object, tmp_path: Path) -> None:
    assert "is not an artifact: it has no tlkit.json" in refused("predict", tmp_path, "x.png")
    assert "cannot read" in refused("predict", trained, tmp_path / "nothing.png")
    (tmp_path / "text.png").write_text("no picture")
    assert "text.png" in refused("predict", trained, tmp_path / "text.png")


def test_evaluate(trained: Path, photos: Path, ask: object, refused: object, tmp_path: Path) -> None:
    code, out, err = ask("evaluate", trained, photos, "--out", tmp_path / "report")
    first = json.loads((trained / "report.json").read_text())
    again = json.loads((tmp_path / "report" / "report.json").read_text())
    assert code == 0 and err == "" and "test: 2 examples, 2 classes" in out
    assert again["confusion"] == first["confusion"] and again["loss"] == pytest.approx(first["loss"], abs=1e-5)

    before = contents(trained)
    assert "is a run or artifact with a report of its own" in refused("evaluate", trained, photos, "--out", trained)
    assert contents(trained) == before
    save_pictures(tmp_path / "other", each=3, classes=("cat", "dog"))
    assert "has the labels ('cat', 'dog'), the model ('dark', 'red')" in refused(
        "evaluate", trained, tmp_path / "other"
    )
    (tmp_path / "table.csv").write_text("text,label\n" + "".join(f"a{i},dark\nb{i},red\n" for i in range(3)))
    assert "the model takes images, but" in refused("evaluate", trained, tmp_path / "table.csv")


@pytest.mark.slow
def test_export(
    trained: Path, photos: Path, ask: object, refused: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "copy"
    code, told, err = ask("export", trained, "--out", out)
    assert code == 0 and err == "" and told == f"artifact: {out}\n"
    picture = photos / "red" / "0.png"
    assert ask("predict", out, picture)[1] == ask("predict", trained, picture)[1]

    assert "already holds an artifact; give --overwrite" in refused("export", trained, "--out", out)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("mine")
    assert "is there and no artifact of tlkit" in refused("export", trained, "--out", tmp_path / "mine")
    assert (tmp_path / "mine" / "README.md").read_text() == "mine"

    seen = []
    made = types.SimpleNamespace(path="there")
    monkeypatch.setattr(export, "export", lambda *given, **options: seen.append((given[1], options)) or made)
    bare = types.SimpleNamespace(path=tmp_path, model=None)  # exported without a report
    monkeypatch.setattr(artifact, "load", lambda _: bare)
    assert ask("export", trained, "--out", out, "--overwrite")[1] == "artifact: there\n"
    assert seen == [(out, {"report": None, "overwrite": True, "record": None})]


@pytest.mark.slow
def test_export_shows_a_run_in_its_directory_alone(trained: Path, ask: object, refused: object, tmp_path: Path) -> None:
    run, other = (Path(shutil.copytree(trained, tmp_path / name)) for name in ("run", "other"))
    before = (run / "run.json").read_bytes()
    assert ask("export", run, "--out", run, "--overwrite")[0] == 0
    for name in ("README.md", "report.html"):
        assert "tlkit train photos --backbone tiny" in (run / name).read_text()
    assert (run / "run.json").read_bytes() == before

    files.write_json(other / "run.json", files.read_json(other / "run.json") | {"command": "tlkit train OTHER"})
    assert ask("export", run, "--out", other, "--overwrite")[0] == 0
    for name in ("README.md", "report.html"):
        assert "tlkit train" not in (other / name).read_text()
    assert files.read_json(other / export.EARLIER_RUN_FILE)["command"] == "tlkit train OTHER"
    assert not (other / "run.json").exists()

    (other / "tlkit.json").unlink()
    (other / export.EARLIER_RUN_FILE).rename(other / "run.json")
    for further in ((), ("--overwrite",)):
        assert "is there and no artifact of tlkit" in refused("export", run, "--out", other, *further)
    assert (other / "run.json").exists()


@pytest.mark.slow
def test_a_stranger_trains_and_asks(photos: Path, tmp_path: Path) -> None:
    """The whole way in processes of their own, with nothing on stderr."""
    given = [
        "--recipe",
        "mobilenet_v2_pool_dense",
        "--weights",
        "random",
        "--size",
        "32",
        "--epochs",
        "1,1",
        "--out",
        "out",
    ]
    for words in (["train", photos, *given], ["train", photos, *given, "--quiet"]):
        done = tlkit(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stderr == "" and done.stdout.endswith("artifact: out\n")
    assert "nothing was done again" in done.stdout
    done = tlkit("predict", "out", photos / "red" / "0.png", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.count("\n") == 1
    done = tlkit("export", "out", "--out", "copy", cwd=tmp_path)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "artifact: copy\n")
    done = tlkit("train", photos, *given, "--seed", "1", cwd=tmp_path)
    assert done.returncode == 2 and "seed was 0, now 1" in done.stderr and done.stderr.count("\n") == 1


# === The doctor ===


def test_the_doctor_tells_and_saves(photos: Path, tmp_path: Path, ask: object) -> None:
    folder = shutil.copytree(photos, tmp_path / "photos")
    shutil.copy(folder / "dark" / "0.png", folder / "red" / "copy.png")
    code, out, err = ask("doctor", folder, "--no-labels", "--out", tmp_path / "checked")
    assert code == 0 and "more than one label" in out and "dark/0.png" in out
    assert err == f"page: {tmp_path / 'checked' / 'doctor.html'}\n"
    page = (tmp_path / "checked" / "doctor.html").read_text("utf-8")
    assert "red/copy.png" in page and "data:image/jpeg;base64," in page
    code, out, _ = ask("doctor", folder, "--no-labels", "--json")
    found = json.loads(out)
    assert code == 0 and "conflict" in [finding["code"] for finding in found["findings"]]
    assert found == json.loads((tmp_path / "checked" / "doctor.json").read_text("utf-8"))


def test_the_doctor_refuses(photos: Path, tmp_path: Path, refused: object) -> None:
    assert "matches no example" in refused("doctor", photos, "--no-labels", "--group-by", "patient")
    folder = shutil.copytree(photos, tmp_path / "photos")
    (folder / "red" / "bad.png").write_bytes(b"")
    assert "red/bad.png: the file is empty" in refused("doctor", folder, "--no-labels", "--strict")


# === Runs ===


def test_resume_takes_nothing_else(refused: object, tmp_path: Path, photos: Path) -> None:
    assert "give DATA and --out DIR, or --resume DIR for an unfinished run" in refused("train", photos)
    assert "give DATA and --out DIR" in refused("train", "--out", tmp_path / "out")
    told = refused("train", "--resume", tmp_path, "--epochs", "1,1", "--no-flip", "--overwrite")
    assert f"--resume goes on with the settings of {tmp_path}; leave out --epochs, --no-flip, --overwrite" in told
    assert "holds no run of tlkit (no run.json)" in refused("train", "--resume", tmp_path)


# === Paths that cannot be ===


@pytest.mark.parametrize("bad", ["x" * 300, "a\0b", "a/" * 3000 + "a"], ids=["long", "nul", "deep"])
def test_paths_that_no_file_can_have(trained: Path, photos: Path, ask: object, tmp_path: Path, bad: str) -> None:
    table = tmp_path / "t.csv"
    table.write_text("image,label\n" + "".join(f"{n}.png,{'ab'[n % 2]}\n" for n in range(8)))
    commands = [
        ("train", bad, "--out", tmp_path / "out"),
        ("train", photos, "--out", bad),
        ("train", photos, "--out", tmp_path / "out", "--splits", bad),
        ("train", photos, "--out", tmp_path / "out", "--weights", bad, "--backbone", "tiny"),
        ("train", photos, "--out", tmp_path / "out", "--backbone", bad),
        ("train", table, "--out", tmp_path / "out", "--root", bad),
        ("train", photos, *TINY, "--out", tmp_path / "logged", "--tensorboard", bad),
        ("train", "--resume", bad),
        ("train", bad, "--target", "entities", "--out", tmp_path / "out"),
        ("train", bad, "--target", "reply", "--out", tmp_path / "out"),
        ("predict", bad, photos),
        ("predict", trained, bad),
        ("evaluate", bad, photos),
        ("evaluate", trained, bad),
        ("evaluate", trained, photos, "--out", bad),
        ("export", bad, "--out", tmp_path / "exported"),
        ("export", trained, "--out", bad),
        ("doctor", bad, "--no-labels"),
        ("doctor", photos, "--no-labels", "--out", bad),
        ("compare", bad, trained),
        ("compare", trained, bad),
        ("runs", bad),
    ]
    for command in commands:
        code, _, err = ask(*command)
        told = [line for line in err.splitlines() if line.startswith("tlkit: error: ")]
        assert code == 2 and len(told) == 1 and err.rstrip("\n").endswith(told[0]), (command, code, err[:500])
        assert "Traceback" not in err and "Errno" not in err, err[:500]
    assert not (tmp_path / "out").exists()


def test_files_where_folders_belong_and_the_other_way_round(
    trained: Path, photos: Path, ask: object, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("kept")
    folder = tmp_path / "folder"
    folder.mkdir()
    commands = [
        ("train", photos, "--out", tmp_path / "file"),
        ("train", photos, "--out", tmp_path / "file" / "inside"),
        ("train", photos, "--out", tmp_path / "out", "--splits", folder),
        ("train", photos, *TINY, "--out", tmp_path / "logged", "--tensorboard", tmp_path / "file"),
        ("train", "--resume", tmp_path / "file"),
        ("predict", trained, folder),
        ("predict", tmp_path / "file", photos),
        ("evaluate", trained, photos, "--out", tmp_path / "file"),
        ("export", trained, "--out", tmp_path / "file"),
        ("doctor", photos, "--no-labels", "--out", tmp_path / "file"),
        ("runs", tmp_path / "file"),
        ("compare", trained, tmp_path / "file"),
    ]
    for command in commands:
        code, _, err = ask(*command)
        told = [line for line in err.splitlines() if line.startswith("tlkit: error: ")]
        assert code == 2 and len(told) == 1 and err.rstrip("\n").endswith(told[0]), (command, code, err[:500])
    assert (tmp_path / "file").read_text() == "kept"
