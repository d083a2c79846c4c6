"""Run a command line in a shell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tlkit.cli import commands

COMMAND = f"{sys.executable} -c 'import sys; from tlkit.cli import main; sys.exit(main())'"


def shell(words: str, **environment: str) -> tuple[int, str, str]:
    """Run a line of bash, in which TLKIT is the command; return the exit code of its first part, stdout, stderr."""
    line = f"{words.replace('TLKIT', COMMAND)}; exit ${{PIPESTATUS[0]}}"
    inherited = os.environ | {"PYTHONPATH": str(Path(commands.__file__).resolve().parents[2])} | environment
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=inherited, timeout=300)
    return done.returncode, done.stdout, done.stderr
