"""What surrounds a process: Keras's settings, environment variables, limits of the system, home folders."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import tlkit
from tests.helpers.run_directories import save_pictures
from tests.helpers.shell import shell
from tlkit.cli import commands
from tlkit.errors import InputError, RunError
from tlkit.features import disk_cache
from tlkit.models import weights
from tlkit.models.text import text_backbones
from tlkit.models.vision import image_presets
from tlkit.utils import environment, files


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give Keras a folder of settings, as if Keras were not imported yet."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    return tmp_path


# === Keras's settings file ===


@pytest.mark.parametrize(
    ("name", "value"),
    [("floatx", "float16"), ("epsilon", 1e-3), ("image_data_format", "channels_first"), ("backend", "jax")],
)
def test_the_settings_file_of_keras_decides_nothing(
    home: Path, name: str, value: object, capsys: pytest.CaptureFixture
) -> None:
    (home / "keras.json").write_text(json.dumps({name: value}))
    needed = environment.REQUIRED_SETTINGS[name]
    told = f"{home / 'keras.json'} sets {name} of Keras to {value!r}, and tlkit computes with {needed!r}"
    with pytest.raises(InputError, match=re.escape(f"{told}; remove {name} from that file, delete the file")):
        environment.check()
    assert commands.main(["backbones"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"tlkit: error: {told}") and err.count("\n") == 1


@pytest.mark.parametrize(
    "written",
    [
        '{"floatx": "float32", "epsilon": 1e-07, "backend": "tensorflow", "image_data_format": "channels_last"}',
        "{}",
        "no JSON",
    ],
)
def test_usual_settings_pass(home: Path, written: str) -> None:
    (home / "keras.json").write_text(written)
    environment.check()


def test_a_settings_file_that_keras_could_not_take(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = home / "keras.json"
    path.write_text("[1]")
    with pytest.raises(InputError, match=r"keras\.json, Keras's settings, holds no JSON object.*delete it"):
        environment.check()
    path.write_text('{"nnx_enabled": true}')
    with pytest.raises(InputError, match=r"keras\.json sets nnx_enabled"):
        environment.check()
    path.unlink()
    os.mkfifo(path)  # reading it would wait for ever
    with pytest.raises(InputError, match=r"keras\.json, Keras's settings, is not a regular file"):
        environment.check()
    monkeypatch.setenv("KERAS_HOME", "~nobody_of_that_name")
    with pytest.raises(InputError, match="KERAS_HOME=~nobody_of_that_name: no home folder of ~nobody_of_that_name"):
        environment.check()


def test_the_variable_goes_before_the_backend_of_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "keras.json").write_text('{"backend": "jax"}')
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    environment.check()


@pytest.mark.slow
def test_the_file_is_where_keras_looks(tmp_path: Path) -> None:
    """Keras itself writes the file there, as it is imported for the first time."""
    script = (
        "import keras; from tlkit.utils import environment; "
        "assert environment.settings_file().is_file(); environment.check()"
    )
    command = f'{sys.executable} -c "{script}"'
    (tmp_path / "keras_home").mkdir()
    assert shell(f"unset KERAS_HOME; {command}", HOME=str(tmp_path))[0] == 0
    assert shell(command, KERAS_HOME=str(tmp_path / "keras_home"))[0] == 0
    assert (tmp_path / "keras_home" / "keras.json").is_file()


# === Settings of a program and variables ===


@pytest.mark.parametrize(
    ("name", "value"), [("floatx", "float16"), ("epsilon", 1e-3), ("image_data_format", "channels_first")]
)
def test_settings_of_the_program_are_named_with_the_remedy(name: str, value: object) -> None:
    import keras

    usual = getattr(keras.config, name)()
    change = getattr(keras.config, f"set_{name}")
    try:
        change(value)
        told = re.escape(f"this program set {name} of Keras to {value!r}, and tlkit needs {usual!r}; call keras.config")
        with pytest.raises(InputError, match=told):
            tlkit.classifier("vgg16", "pool_dense", 2, weights=None)
    finally:
        change(usual)
    environment.check()


def test_a_global_dtype_policy_is_refused() -> None:
    import keras

    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        with pytest.raises(
            InputError, match=r"global dtype policy to 'mixed_bfloat16'.*`precision` of `tlkit\.Compute`"
        ):
            tlkit.classifier("vgg16", "pool_dense", 2, weights=None)
    finally:
        keras.config.set_dtype_policy("float32")
    environment.check()


DOORS: dict[str, Callable[[], object]] = {
    "classifier": lambda: tlkit.classifier("vgg16", "pool_dense", 2, weights=None),
    "generator": lambda: tlkit.generator("gpt2"),
    "summarizer": lambda: tlkit.summarizer("bart_large_en_cnn"),
    "fit": lambda: tlkit.fit(None, None),
    "evaluate": lambda: tlkit.evaluate(None, None),
    "export": lambda: tlkit.export(None, "nowhere"),
    "load": lambda: tlkit.load("nowhere"),
    "run_job": lambda: tlkit.run_job(tlkit.Job(data="nowhere", out="out")),
    "diagnose": lambda: tlkit.diagnose(None),
    "pretrain_autoencoder": lambda: tlkit.pretrain_autoencoder(None),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("KERAS_BACKEND", "jax", "KERAS_BACKEND=jax asks for another backend of Keras"),
        ("TF_USE_LEGACY_KERAS", "1", "TF_USE_LEGACY_KERAS asks for Keras 2"),
        ("KERAS_MAX_EPOCHS", "ten", "KERAS_MAX_EPOCHS='ten' is not a number"),
    ],
)
def test_every_door_refuses(door: str, name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=message):
        DOORS[door]()


def test_a_name_whose_import_fails_says_what_the_environment_has_to_do_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> None:
        raise ModuleNotFoundError("No module named 'jax'")

    monkeypatch.setattr(tlkit.importlib, "import_module", fail)
    with pytest.raises(ModuleNotFoundError, match="jax"):
        tlkit.__getattr__("generator")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(InputError, match="KERAS_BACKEND=jax"):
        tlkit.__getattr__("generator")


@pytest.mark.parametrize(
    ("before", "message"),
    [
        ("KERAS_BACKEND=numpy", "KERAS_BACKEND=numpy asks for another backend of Keras"),
        ("TF_USE_LEGACY_KERAS=1", "TF_USE_LEGACY_KERAS asks for Keras 2"),
        ("PYTHONOPTIMIZE=2", "Python runs without docstrings"),
        ("ulimit -v 1000000;", "this process may take 1.0 GB of memory, and TensorFlow needs 4.1 GB of addresses"),
    ],
)
def test_the_command_line_says_it_in_one_line_and_at_once(before: str, message: str) -> None:
    code, out, err = shell(f"{before} TLKIT backbones")
    assert code == 2 and out == "" and err.startswith(f"tlkit: error: {message}") and err.count("\n") == 1


def test_heads_are_listed_without_docstrings() -> None:
    code, out, err = shell("PYTHONOPTIMIZE=2 TLKIT heads")
    assert code == 0 and err == "" and "pool_dense" in out


# === Home folders, names, limits ===


def test_home_folders_of_nobody(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    told = "=~nobody_x/y: no home folder of ~nobody_x is known; write the folder out"
    for given, ask in (
        ("backbone", lambda: text_backbones.find("~nobody_x/y")),
        ("backbone", lambda: image_presets.find("~nobody_x/y")),
        ("weights", lambda: weights.find(None, "~nobody_x/y")),
    ):
        with pytest.raises(InputError, match=f"^{given}{told}$"):
            ask()
    for name, ask in (
        ("XDG_CACHE_HOME", files.cache_home),
        ("TLKIT_HOME", files.cache_home),  # it goes before the other one
        ("KERAS_HOME", weights._keras_home),
        ("KAGGLEHUB_CACHE", lambda: weights._kaggle_folder(text_backbones.TEXT["distil_bert_base_en_uncased"])),
    ):
        monkeypatch.setenv(name, "~nobody_x/y")
        if name == "XDG_CACHE_HOME":
            monkeypatch.delenv("TLKIT_HOME", raising=False)
        with pytest.raises(InputError, match=f"^{name}{told}$"):
            ask()
    monkeypatch.setattr(disk_cache, "root", files.cache_home)
    assert commands.main(["cache", "list"]) == 2
    assert capsys.readouterr().err == f"tlkit: error: TLKIT_HOME{told}\n"


def test_a_name_that_is_too_long_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    photos, name = save_pictures(tmp_path / "photos"), "x" * 300
    for words in (["train", photos, "--out", tmp_path / name], ["runs", name]):
        assert commands.main(list(map(str, words))) == 2
        err = capsys.readouterr().err
        assert err.startswith("tlkit: error: ") and err.count("\n") == 1
        assert ("too long" if words[0] == "train" else "there is no folder") in err


ResourceExhaustedError = type("ResourceExhaustedError", (Exception,), {})


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError(), "the memory is full"),
        (ResourceExhaustedError("OOM when allocating tensor"), "the memory is full"),
        (ResourceExhaustedError("/x/1.index; File too large"), "raise the limit of file sizes"),
        (OSError(errno.EFBIG, "File too large"), "raise the limit of file sizes"),
        (OSError(errno.EMFILE, "Too many open files", "photo.png"), "^photo.png: too many files are open at once"),
        (ImportError("libx.so: failed to map segment from shared object"), "the memory is full"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (ValueError("a mistake"), None),
        (OSError(errno.ENOENT, "No such file", "x"), None),
    ],
)
def test_limits_of_the_system(
    error: Exception, told: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def broken(_: object) -> None:
        raise ValueError("of another library") from error

    monkeypatch.setitem(commands.TABLES, "heads", broken)
    if told is None:
        assert environment.limit(error) is None
        with pytest.raises(ValueError, match="of another library"):
            commands.main(["heads"])
        return
    assert re.search(told, environment.limit(error))
    assert commands.main(["heads"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("tlkit: error: ") and err.count("\n") == 1 and re.search(told.lstrip("^"), err)


def test_real_limits_while_a_file_is_written(tmp_path: Path) -> None:
    script = "from tlkit import errors\nfrom tlkit.utils import files\n"
    script += f"try: files.write_text('{tmp_path / 'file'}', 'x' * 9_000_000)\n"
    script += "except errors.RunError as error: print(error)"
    code, out, err = shell(f'ulimit -f 10; {sys.executable} -c "{script}"')
    assert (code, err) == (0, "") and out.startswith(f"cannot write {tmp_path / 'file'}: the file would be larger than")
    script = script.replace("\ntry", "\nkept = [os.dup(2) for _ in range(37 - len(os.listdir('/proc/self/fd')))]\ntry")
    script = f"import os\n{script}"
    code, out, err = shell(f'ulimit -n 36; {sys.executable} -c "{script}"')
    assert (code, err) == (0, "") and out.startswith(f"cannot write {tmp_path / 'file'}: too many files are open")
    assert not (tmp_path / "file").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("limit", "told"), [("-f 1000", "raise the limit of file sizes"), ("-n 9", "ulimit -n 1024")])
def test_a_training_within_a_limit_says_how_to_go_on(tmp_path: Path, limit: str, told: str) -> None:
    save_pictures(tmp_path / "photos")
    words = f"TLKIT train {tmp_path / 'photos'} --backbone mobilenet_v2 --size 32 --weights random --epochs 1,1 --quiet"
    code, _, err = shell(f"ulimit {limit}; {words} --out {tmp_path / 'out'}", TLKIT_HOME=str(tmp_path / "home"))
    assert code == 2 and told in err and "Traceback" not in err and err.count("tlkit: error: ") == 1


def test_a_run_error_of_a_limit_is_a_run_error() -> None:
    with pytest.raises(RunError, match="cannot write x: the file would be larger"), files.writing("x"):
        raise OSError(errno.EFBIG, "File too large")
