"""How the tests of the command line ask: here, in this process."""

from __future__ import annotations

import pytest

from tlkit.cli import commands


@pytest.fixture
def ask(capsys: pytest.CaptureFixture) -> object:
    """Return a function that runs a command here and gives its exit code, stdout and stderr."""

    def run_here(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = commands.main(list(map(str, arguments)))
        return code, *capsys.readouterr()

    return run_here


@pytest.fixture
def refused(ask: object) -> object:
    """Return a function that asserts that a command ends with 2 and one message; it returns the message."""

    def run_here(*arguments: object) -> str:
        code, out, err = ask(*arguments)
        assert code == 2 and out == "", (code, out)
        assert err.startswith("tlkit: error: ") and err.count("\n") == 1 and "Traceback" not in err
        return err

    return run_here
