"""The exceptions tlkit raises, all of one family.

TlkitError                 anything tlkit says on purpose; the command line prints it and exits with 2
    InputError             an argument or option that cannot be right (also a ValueError)
    DataError              a data set that cannot be read or learned from
    WeightsError           weights that are missing or do not fit
        IntegrityError     a file whose digest is not the pinned one
        OfflineError       something must be fetched and cannot be
    RunError               a run directory that is in use, unfinished, or of another run
    ArtifactError          an artifact that is incomplete, damaged or answers differently
    FreezeError            a weight that should have stayed frozen has moved

Interrupted is no error but a KeyboardInterrupt that says how to go on.

Every message names the thing and says what to do next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TlkitError(Exception):
    """The base of all errors raised on purpose by tlkit."""


class InputError(TlkitError, ValueError):
    """An argument or option that cannot be right."""


class DataError(TlkitError, ValueError):
    """A data set that cannot be read or learned from."""


class WeightsError(TlkitError):
    """Weights that are missing or do not fit their backbone."""


class IntegrityError(WeightsError):
    """A file whose digest is not the pinned one; it is not used."""


class OfflineError(WeightsError):
    """Something has to be fetched and cannot be."""


class RunError(TlkitError):
    """A run directory that is in use, unfinished, unwritable, or of another run."""


class ArtifactError(TlkitError):
    """An artifact that is incomplete, damaged, or answers differently from its model."""


class FreezeError(TlkitError):
    """A weight that should have stayed frozen has moved."""


class Interrupted(KeyboardInterrupt):
    """A run that was stopped and can go on; its text says how."""


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """Build the error for a name that is not in a table, with the nearest names.

    Args:
        kind: what the name stands for, such as "backbone".
        name: the name that was given.
        known: every name that would have been right.
    """
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else f"choose one of: {', '.join(names)}"
    return InputError(f"unknown {kind} {name!r}; {hint}")
