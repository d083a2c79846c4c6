"""Ask whether a vulnerability is known in any locked distribution, with pip-audit."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

# pip-audit's last line where its service does not answer, or answers with an error.
UNREACHED = re.compile(
    r"requests\.exceptions\..*|pip_audit\._service\.interface\.\w+Error.*|.*your network may be blocking this service.*"
)


class Unreachable(Exception):
    """The service that knows the vulnerabilities did not answer; the message is what pip-audit said."""


def known(lock: Path, environment: Mapping[str, str], seconds: float) -> list[str]:
    """Return a line for every known vulnerability of what a lock pins: name, version, advisory, corrected versions.

    Args:
        lock: a file of requirements with digests; nothing in it is fetched or installed.
        environment: the environment of pip-audit.
        seconds: how long to wait before the service counts as unreachable.

    Raises:
        Unreachable: the service does not answer.
        RuntimeError: pip-audit failed for another reason, or left a distribution out.
    """
    call = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--require-hashes", "--disable-pip"]
    call += ["--format", "json", "--progress-spinner", "off", "--strict", "--vulnerability-service", "osv"]
    try:
        done = subprocess.run(call, capture_output=True, text=True, env=dict(environment), timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise Unreachable(f"no answer within {seconds:g} s") from error
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        if UNREACHED.fullmatch(said[-1]):
            raise Unreachable(said[-1]) from None
        raise RuntimeError(f"pip-audit ended with {done.returncode}: {' / '.join(said[-3:])}") from None
    if skipped := [entry["name"] for entry in found if "skip_reason" in entry]:
        raise RuntimeError(f"pip-audit left out {', '.join(skipped)}")
    return [
        f"{entry['name']} {entry['version']}: {fault['id']}, corrected in {', '.join(fault['fix_versions']) or 'none'}"
        for entry in found
        for fault in entry["vulns"]
    ]
