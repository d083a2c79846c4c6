"""Exceptions that tlkit raises, all derived from TlkitError.

TlkitError                 the base of all; the command line prints the message and exits with 2
    InputError             an invalid argument or option (also a ValueError)
    DataError              a data set that cannot be read or learned from
    WeightsError           weights that are missing or do not fit
        IntegrityError     a file whose digest is not the pinned one
        OfflineError       a file that must be downloaded and cannot be
    RunError               a run directory that is in use, unfinished, unwritable or belongs to another run
    ArtifactError          an artifact that is incomplete, damaged or predicts differently from its model
    FreezeError            a weight that should have stayed frozen has moved

Interrupted is a KeyboardInterrupt whose message says how to resume.

Every message names the file, option or value at fault and a remedy.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TlkitError(Exception):
    """Base class of all errors that tlkit raises on purpose."""


class InputError(TlkitError, ValueError):
    """An invalid argument or option."""


class DataError(TlkitError, ValueError):
    """A data set that cannot be read or learned from."""


class WeightsError(TlkitError):
    """Weights that are missing or do not fit their backbone."""


class IntegrityError(WeightsError):
    """A file whose digest is not the pinned one, and which is therefore not used."""


class OfflineError(WeightsError):
    """A file that must be downloaded and cannot be."""


class RunError(TlkitError):
    """A run directory that is in use, unfinished, unwritable or belongs to another run."""


class ArtifactError(TlkitError):
    """An artifact that is incomplete, damaged or predicts differently from its model."""


class FreezeError(TlkitError):
    """A weight that should have stayed frozen has moved."""


class Interrupted(KeyboardInterrupt):
    """A run that was stopped and can be resumed; the message says how."""


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """Return the error for an unknown name, with the closest known names as a hint.

    Args:
        kind: the kind of name, such as "backbone".
        name: the unknown name.
        known: all valid names.
    """
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else f"choose one of: {', '.join(names)}"
    return InputError(f"unknown {kind} {name!r}; {hint}")
