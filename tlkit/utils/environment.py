"""Versions, machine and settings a run is computed with, and the limits of the system."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from tlkit.errors import InputError

REQUIRED_SETTINGS = {
    "backend": "tensorflow",
    "floatx": "float32",
    "epsilon": 1e-7,
    "image_data_format": "channels_last",
}
PACKAGES = ("tlkit", "tensorflow", "keras", "keras-hub", "tensorflow-text", "numpy")
# of address space: a small training aborted at 2.6 GB and succeeded at 4.1 GB
MIN_ADDRESS_SPACE_BYTES = 4_000_000 << 10
LIMITS = {
    errno.EMFILE: "too many files are open at once; raise the limit of open files (`ulimit -n 1024`)",
    errno.ENFILE: "the system has too many open files; end other programs",
    errno.EFBIG: "the file would be larger than is allowed; raise the limit of file sizes (`ulimit -f unlimited`)",
}
MEMORY = "the memory is full; free some, or raise its limit (`ulimit -v`)"
NO_MORE_THREADS = (
    "no further thread can be started; raise the limits of processes and of memory (`ulimit -u`, `ulimit -v`)"
)
# phrases in errors of TensorFlow, or of a library that keeps no error number, and the limit behind them
PHRASES = {"file too large": LIMITS[errno.EFBIG], "too many open files": LIMITS[errno.EMFILE]}
PHRASES |= {
    "failed to map segment": MEMORY,
    "cannot allocate memory": MEMORY,
    "can't start new thread": NO_MORE_THREADS,
}


def check() -> None:
    """Raise InputError if a setting of Python or Keras would change results, or keep Keras from working.

    Keras takes settings from its file `keras.json`, which any program may have left. If Keras is not imported yet, the
    file is read as Keras would read it; otherwise the current settings of Keras are checked, whoever made them.
    """
    _python()
    _variables()
    config = getattr(sys.modules.get("keras"), "config", None)
    if hasattr(config, "dtype_policy"):
        _current(config)
    else:
        _file()


def _python() -> None:
    if sys.flags.optimize > 1:
        raise InputError(
            "Python runs without docstrings (PYTHONOPTIMIZE=2 or -OO), so TensorFlow Text cannot be imported; "
            "unset PYTHONOPTIMIZE, or set it to 1"
        )
    with contextlib.suppress(ImportError):  # Windows has no such limits
        import resource

        address_space = resource.getrlimit(resource.RLIMIT_AS)[0]
        if (
            address_space != resource.RLIM_INFINITY
            and address_space < MIN_ADDRESS_SPACE_BYTES
            and "tensorflow" not in sys.modules
        ):
            raise InputError(
                f"this process may take {address_space / 1e9:.1f} GB of memory, and TensorFlow needs "
                f"{MIN_ADDRESS_SPACE_BYTES / 1e9:.1f} GB of addresses to train; raise the limit (`ulimit -v unlimited`)"
            )


def _variables() -> None:
    """Raise InputError for environment variables that select another Keras or another backend."""
    if os.environ.get("TF_USE_LEGACY_KERAS") in ("1", "true", "True"):
        raise InputError("TF_USE_LEGACY_KERAS asks for Keras 2, and tlkit needs Keras 3; unset TF_USE_LEGACY_KERAS")
    backend = os.environ.get("KERAS_BACKEND")
    if backend and backend != REQUIRED_SETTINGS["backend"]:
        raise InputError(
            f"KERAS_BACKEND={backend} asks for another backend of Keras, and tlkit computes with TensorFlow; unset "
            f"KERAS_BACKEND, or set it to {REQUIRED_SETTINGS['backend']}"
        )
    for name in ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"):
        if name in os.environ and not os.environ[name].strip().isdecimal():
            raise InputError(f"{name}={os.environ[name]!r} is not a number, so Keras cannot be imported; unset {name}")


def _file() -> None:
    """Raise InputError for settings in Keras's file that tlkit cannot work with."""
    path = settings_file()
    written = _read_settings(path)
    if os.environ.get("KERAS_BACKEND"):  # it takes precedence over the file
        written.pop("backend", None)
    for name, needed in REQUIRED_SETTINGS.items():
        if (setting := written.get(name, needed)) != needed:
            raise InputError(_wrong_setting(path, name, setting))
    if written.get("nnx_enabled"):
        raise InputError(f"{path} sets nnx_enabled, which is for another backend; remove it from that file")


def _wrong_setting(path: Path, name: str, setting: Any) -> str:
    return (
        f"{path} sets {name} of Keras to {setting!r}, and tlkit computes with {REQUIRED_SETTINGS[name]!r}; remove "
        f"{name} from that file, delete the file, or set KERAS_HOME to another folder"
    )


def settings_file() -> Path:
    """Return the path of Keras's settings: in $KERAS_HOME, else in ~/.keras, or below /tmp."""
    if "KERAS_HOME" in os.environ:
        return expanded(os.environ["KERAS_HOME"], "KERAS_HOME") / "keras.json"
    home = os.path.expanduser("~")
    return Path(home if os.access(home, os.W_OK) else "/tmp", ".keras", "keras.json")


def _read_settings(path: Path) -> dict[str, Any]:
    """Read Keras's settings; a file that is not JSON counts as empty, as in Keras."""
    if not os.path.exists(path):
        return {}
    if not path.is_file():  # reading a pipe would block
        raise InputError(f"{path}, Keras's settings, is not a regular file; remove it, or set KERAS_HOME")
    try:
        settings = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{path}, Keras's settings, cannot be read ({error.strerror}); remove it") from error
    except (ValueError, RecursionError):
        return {}
    if not isinstance(settings, dict):
        raise InputError(f"{path}, Keras's settings, holds no JSON object, so Keras cannot be imported; delete it")
    return settings


def _current(config: Any) -> None:
    """Raise InputError for current settings of Keras that tlkit cannot work with."""
    for name, needed in REQUIRED_SETTINGS.items():
        if (setting := getattr(config, name)()) == needed:
            continue
        path = settings_file()
        if _read_settings(path).get(name) == setting:
            raise InputError(_wrong_setting(path, name, setting))
        remedy = f"call keras.config.set_{name}({needed!r})" if name != "backend" else "set KERAS_BACKEND=tensorflow"
        raise InputError(f"this program set {name} of Keras to {setting!r}, and tlkit needs {needed!r}; {remedy} first")
    if (policy := config.dtype_policy().name) != "float32":
        raise InputError(
            f"this program set Keras's global dtype policy to {policy!r}, and tlkit chooses precisions by itself; call "
            f"keras.config.set_dtype_policy('float32') first, and give `precision` of `tlkit.Compute` instead"
        )


# === Versions ===


def versions() -> dict[str, str]:
    """Return the installed version of every package that affects results."""
    installed = {}
    for name in PACKAGES:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            installed[name] = "unknown"
    return installed


# === Paths and limits ===


def expanded(path: str | os.PathLike, what: str) -> Path:
    """Return a path with `~` or `~NAME` at its start replaced by that home folder.

    Args:
        path: as typed, or from an environment variable.
        what: the option or variable it comes from, for the message.

    Raises:
        InputError: there is no such user, or no home folder is known.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        user = Path(path).parts[0]
        raise InputError(f"{what}={path}: no home folder of {user} is known; write the folder out") from None


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether Python, TensorFlow or oneDNN ran out of memory; oneDNN reports that only as its status 1."""
    kind = type(error).__name__
    of_onednn = kind == "AbortedError" and "Operation received an exception:Status: 1," in str(error)
    return isinstance(error, MemoryError) or kind == "ResourceExhaustedError" or of_onednn


def limit(error: BaseException) -> str | None:
    """Return one line on the limit of the system that caused an error, with its remedy; None if no limit did."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno in LIMITS:
            return f"{error.filename}: {LIMITS[error.errno]}" if error.filename else LIMITS[error.errno]
        text = str(error).lower()
        if message := next((message for phrase, message in PHRASES.items() if phrase in text), None):
            return message
        if is_out_of_memory(error):
            return MEMORY
        error = error.__cause__ or error.__context__
    return None


def describe_environment() -> dict[str, Any]:
    """Return the system, Python, number of cores and versions that a run is computed with."""
    machine = {"system": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()}
    return machine | versions()
