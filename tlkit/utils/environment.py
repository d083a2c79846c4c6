"""What surrounds a process and must decide nothing without a word: settings of Keras and Python, limits, versions."""

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

NEEDED = {"backend": "tensorflow", "floatx": "float32", "epsilon": 1e-7, "image_data_format": "channels_last"}
PACKAGES = ("tlkit", "tensorflow", "keras", "keras-hub", "tensorflow-text", "numpy")
LEAST_MEMORY = (
    4_000_000 << 10
)  # bytes of address space: at 2.6 GB a small training ended in an abort, at 4.1 GB it went
LIMITS = {
    errno.EMFILE: "too many files are open at once; raise the limit of open files (`ulimit -n 1024`)",
    errno.ENFILE: "the system has too many open files; end other programs",
    errno.EFBIG: "the file would be larger than is allowed; raise the limit of file sizes (`ulimit -f unlimited`)",
}
MEMORY = "the memory is full; free some, or raise its limit (`ulimit -v`)"
THREADS = "no further thread can be started; raise the limits of processes and of memory (`ulimit -u`, `ulimit -v`)"
# what says so in an error of TensorFlow or of a library that keeps no error number
SAID = {"file too large": LIMITS[errno.EFBIG], "too many open files": LIMITS[errno.EMFILE]}
SAID |= {"failed to map segment": MEMORY, "cannot allocate memory": MEMORY, "can't start new thread": THREADS}


def check() -> None:
    """Raise InputError where a setting around this process would decide over results, or keep Keras from working.

    Keras takes settings from its file `keras.json`, which any program may have left. Where Keras is not imported yet,
    the file is read as Keras would read it; where it is, its settings are asked, whoever made them.
    """
    _python()
    _variables()
    config = getattr(sys.modules.get("keras"), "config", None)
    if hasattr(config, "dtype_policy"):
        _settings(config)
    else:
        _file()


def _python() -> None:
    if sys.flags.optimize > 1:
        raise InputError(
            "Python runs without docstrings (PYTHONOPTIMIZE=2 or -OO), and TensorFlow Text cannot be imported so; "
            "unset PYTHONOPTIMIZE, or set it to 1"
        )
    with contextlib.suppress(ImportError):  # Windows has no such limits
        import resource

        most = resource.getrlimit(resource.RLIMIT_AS)[0]
        if most != resource.RLIM_INFINITY and most < LEAST_MEMORY and "tensorflow" not in sys.modules:
            raise InputError(
                f"this process may take {most / 1e9:.1f} GB of memory, and TensorFlow needs "
                f"{LEAST_MEMORY / 1e9:.1f} GB of addresses to train; raise the limit (`ulimit -v unlimited`)"
            )


def _variables() -> None:
    """Refuse environment variables that swap Keras or its backend for another."""
    if os.environ.get("TF_USE_LEGACY_KERAS") in ("1", "true", "True"):
        raise InputError(
            "TF_USE_LEGACY_KERAS asks for Keras 2, and tlkit is made of Keras 3; unset TF_USE_LEGACY_KERAS"
        )
    backend = os.environ.get("KERAS_BACKEND")
    if backend and backend != NEEDED["backend"]:
        raise InputError(
            f"KERAS_BACKEND={backend} asks for another backend of Keras, and tlkit computes with TensorFlow; unset "
            f"KERAS_BACKEND, or set it to {NEEDED['backend']}"
        )
    for name in ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH"):
        if name in os.environ and not os.environ[name].strip().isdecimal():
            raise InputError(f"{name}={os.environ[name]!r} is no number, and Keras cannot be imported so; unset {name}")


def _file() -> None:
    """Refuse settings of Keras's file that differ from the usual ones."""
    path = settings_file()
    written = _written(path)
    if os.environ.get("KERAS_BACKEND"):  # it goes before the file
        written.pop("backend", None)
    for name, needed in NEEDED.items():
        if (found := written.get(name, needed)) != needed:
            raise InputError(_told(path, name, found))
    if written.get("nnx_enabled"):
        raise InputError(f"{path} sets nnx_enabled, which is for another backend; take it out of that file")


def _told(path: Path, name: str, found: Any) -> str:
    return (
        f"{path} sets {name} of Keras to {found!r}, and tlkit computes with {NEEDED[name]!r}; take {name} out of that "
        f"file, delete the file, or set KERAS_HOME to another folder"
    )


def settings_file() -> Path:
    """Return where Keras looks for its settings: in $KERAS_HOME, else in ~/.keras, or below /tmp."""
    if "KERAS_HOME" in os.environ:
        return expanded(os.environ["KERAS_HOME"], "KERAS_HOME") / "keras.json"
    home = os.path.expanduser("~")
    return Path(home if os.access(home, os.W_OK) else "/tmp", ".keras", "keras.json")


def _written(path: Path) -> dict[str, Any]:
    """Read Keras's settings; what is no JSON Keras passes over, too."""
    if not os.path.exists(path):
        return {}
    if not path.is_file():  # a pipe would be waited for
        raise InputError(f"{path}, Keras's settings, is no regular file; remove it, or set KERAS_HOME")
    try:
        found = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{path}, Keras's settings, cannot be read ({error.strerror}); remove it") from error
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        raise InputError(f"{path}, Keras's settings, holds no JSON object, and Keras cannot be imported so; delete it")
    return found


def _settings(config: Any) -> None:
    """Refuse settings of Keras as it runs that differ from the usual ones."""
    for name, needed in NEEDED.items():
        if (found := getattr(config, name)()) == needed:
            continue
        path = settings_file()
        if _written(path).get(name) == found:
            raise InputError(_told(path, name, found))
        remedy = f"call keras.config.set_{name}({needed!r})" if name != "backend" else "set KERAS_BACKEND=tensorflow"
        raise InputError(f"this program set {name} of Keras to {found!r}, and tlkit needs {needed!r}; {remedy} first")
    if (policy := config.dtype_policy().name) != "float32":
        raise InputError(
            f"this program set Keras's global dtype policy to {policy!r}, and tlkit chooses precisions by itself; call "
            f"keras.config.set_dtype_policy('float32') first, and give `precision` of `tlkit.Compute` instead"
        )


# === Versions ===


def versions() -> dict[str, str]:
    """Return the version of each package that matters."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "unknown"
    return found


# === Paths and limits ===


def expanded(path: str | os.PathLike, what: str) -> Path:
    """Return a path with `~` or `~NAME` at its start replaced by that home folder.

    Args:
        path: as a person or an environment variable gives it.
        what: gives it, for the message.

    Raises:
        InputError: there is no such user, or no home folder is known.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        user = Path(path).parts[0]
        raise InputError(f"{what}={path}: no home folder of {user} is known; write the folder out") from None


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether Python, TensorFlow, or oneDNN within it, lacked memory; the last says so by its status 1 alone."""
    kind = type(error).__name__
    of_onednn = kind == "AbortedError" and "Operation received an exception:Status: 1," in str(error)
    return isinstance(error, MemoryError) or kind == "ResourceExhaustedError" or of_onednn


def limit(error: BaseException) -> str | None:
    """Return in a line what limit of the system, and what remedy, stands behind an error; None where none does."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno in LIMITS:
            return f"{error.filename}: {LIMITS[error.errno]}" if error.filename else LIMITS[error.errno]
        text = str(error).lower()
        if told := next((told for words, told in SAID.items() if words in text), None):
            return told
        if is_out_of_memory(error):
            return MEMORY
        error = error.__cause__ or error.__context__
    return None


def describe_environment() -> dict[str, Any]:
    """Describe what a run is computed with."""
    told = {"system": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()}
    return told | versions()
