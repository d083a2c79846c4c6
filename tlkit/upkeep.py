"""The commands that look after what tlkit keeps on disk: pretrained weights, stored features, runs."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from tlkit.console import amount, hush
from tlkit.errors import InputError


def add_parsers(commands: Any) -> None:
    """Add `weights`, `cache` and `runs` to the subparsers of the command line."""
    weights = commands.add_parser("weights", help="say which weights are here, fetch or verify them")
    actions = weights.add_subparsers(title="actions", metavar="ACTION", required=True)
    _action(actions, "list", _weights_list, "what is here, how large, under which licence")
    _action(actions, "get", _weights_get, "fetch the weights of a backbone").add_argument("name")
    _action(actions, "verify", _weights_verify, "check every file that is here")
    cache = commands.add_parser("cache", help="say what stored features take, or remove them")
    actions = cache.add_subparsers(title="actions", metavar="ACTION", required=True)
    _action(actions, "list", _cache_list, "what is stored, how large, last used when")
    _action(actions, "clear", _cache_clear, "remove all of it; the next training computes it again")

    about = "list the runs under a folder, and how far they are"
    runs = commands.add_parser("runs", help=about, description=about)
    runs.add_argument("folder", nargs="?", default=".", help="here, if none is given")
    runs.set_defaults(command=_runs)
    about = "show runs side by side, and whether they differ by more than chance on the same test split"
    compare = commands.add_parser("compare", help=about, description=about)
    compare.add_argument("runs", nargs="+", metavar="RUN", help="the directory of a finished run; two or more")
    compare.add_argument("--out", metavar="FILE.html", help="write a page, too")
    compare.add_argument("--json", action="store_true", help="print JSON")
    compare.set_defaults(command=_compare)


def _action(actions: Any, name: str, command: Any, about: str) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=about, description=about)
    parser.set_defaults(command=command)
    return parser


# === Weights ===


def _weights_list(_: argparse.Namespace) -> None:
    hush()
    from tlkit import weights

    print(f"{'backbone':<24} {'here':<5} {'size':>9}  {'licence':<12} from")
    for row in _rows().values():
        found = weights.status(row)
        size = f"{found.size_bytes / 1e6:.0f} MB" if found.size_bytes else "?"
        print(f"{row.name:<24} {'yes' if found.here else 'no':<5} {size:>9}  {found.licence:<12} {found.origin}")


def _rows() -> dict[str, Any]:
    """Return every known backbone by name, those that only summarize too."""
    from tlkit.build import table
    from tlkit.generators import SUMMARIZERS

    return table() | SUMMARIZERS


def _weights_get(options: argparse.Namespace) -> None:
    hush()
    from tlkit import weights
    from tlkit.build import find_backbone

    rows = _rows()
    found = weights.find(rows.get(options.name) or find_backbone(options.name), rows=rows.values())
    print(found.note if found else f"{options.name} has no pretrained weights")


def _weights_verify(_: argparse.Namespace) -> None:
    hush()
    from tlkit import weights

    bad = []
    for row in _rows().values():
        if weights.status(row).here:
            problem = weights.verify(row)
            print(f"{row.name}: {problem or 'as pinned'}")
            bad += [row.name] if problem else []
    if bad:
        raise InputError(f"damaged weights: {', '.join(bad)}; fetch them again with `tlkit weights get NAME`")


# === Stored features ===


def _cache_list(_: argparse.Namespace) -> None:
    from tlkit import cache

    there = cache.entries()
    if not there:
        print(f"no features are stored in {cache.root()}")
        return
    print(f"{'size':>8}  {'last used':<10}  features")
    for entry in there:
        print(f"{amount(entry.bytes):>8}  {time.strftime('%Y-%m-%d', time.localtime(entry.used))}  {entry.about}")
    print(f"{amount(sum(entry.bytes for entry in there)):>8}  in all, in {cache.root()}")


def _cache_clear(_: argparse.Namespace) -> None:
    from tlkit import cache

    print(f"freed {amount(cache.clear())} in {cache.root()}")


# === Runs ===


def _runs(options: argparse.Namespace) -> None:
    from tlkit import ledger

    found = ledger.runs(Path(options.folder))
    if not found:
        print(f"no runs under {options.folder}")
        return
    print(f"{'status':<10}  {'started':<16}  {'epochs':>6}  {'figure':<18}  run")
    for run in found:
        figure = "" if run.figure is None else "{} {:.4g}".format(*run.figure)
        print(f"{run.status:<10}  {run.started[:16]:<16}  {run.epochs:>6}  {figure:<18}  {run.directory}: {run.about}")


def _compare(options: argparse.Namespace) -> None:
    from tlkit.comparing import compare

    found = compare(options.runs)
    if options.out:
        found.save(options.out)
    print(json.dumps(found.to_dict(), ensure_ascii=False) if options.json else found)
