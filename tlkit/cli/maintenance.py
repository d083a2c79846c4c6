"""The commands that look after what tlkit keeps on disk: pretrained weights, stored features, runs."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from tlkit.cli.arguments import amount, hush, say, say_json, say_line
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
    from tlkit.models import weights
    from tlkit.models.generation import generators

    say_line(f"{'backbone':<24} {'here':<5} {'size':>9}  {'licence':<12} from")
    for row in generators.rows().values():
        found = weights.status(row)
        size = f"{found.size_bytes / 1e6:.0f} MB" if found.size_bytes else "?"
        say_line(f"{row.name:<24} {'yes' if found.here else 'no':<5} {size:>9}  {found.licence:<12} {found.origin}")


def _weights_get(options: argparse.Namespace) -> None:
    hush()
    from tlkit.models import weights
    from tlkit.models.classifier import find_backbone
    from tlkit.models.generation import generators

    rows = generators.rows()
    found = weights.find(rows.get(options.name) or find_backbone(options.name), rows=rows.values())
    say_line(found.note if found else f"{options.name} has no pretrained weights")
    if found and found.copied_from:
        say_line(f"a copy, from {found.copied_from}")


def _weights_verify(_: argparse.Namespace) -> None:
    hush()
    from tlkit.models import weights
    from tlkit.models.generation import generators

    bad = []
    for row in generators.rows().values():
        if weights.status(row).here:
            problem = weights.verify(row)
            say_line(f"{row.name}: {problem or 'as pinned'}")
            bad += [row.name] if problem else []
    if bad:
        raise InputError(f"damaged weights: {', '.join(bad)}; fetch them again with `tlkit weights get NAME`")


# === Stored features ===


def _cache_list(_: argparse.Namespace) -> None:
    from tlkit.features import disk_cache

    there = disk_cache.entries()
    if not there:
        say_line(f"no features are stored in {disk_cache.root()}")
        return
    say_line(f"{'size':>8}  {'last used':<10}  features")
    for entry in there:
        say_line(f"{amount(entry.bytes):>8}  {time.strftime('%Y-%m-%d', time.localtime(entry.used))}  {entry.about}")
    say_line(f"{amount(sum(entry.bytes for entry in there)):>8}  in all, in {disk_cache.root()}")


def _cache_clear(_: argparse.Namespace) -> None:
    from tlkit.features import disk_cache

    say_line(f"freed {amount(disk_cache.clear())} in {disk_cache.root()}")


# === Runs ===


def _runs(options: argparse.Namespace) -> None:
    from tlkit.runs import record

    found = record.runs(Path(options.folder))
    if not found:
        say_line(f"no runs under {options.folder}")
        return
    say_line(f"{'status':<10}  {'started':<16}  {'epochs':>6}  {'figure':<18}  run")
    for run in found:
        figure = "" if run.figure is None else "{} {:.4g}".format(*run.figure)
        say_line(
            f"{run.status:<10}  {run.started[:16]:<16}  {run.epochs:>6}  {figure:<18}  {run.directory}: {run.about}"
        )


def _compare(options: argparse.Namespace) -> None:
    from tlkit.runs.comparison import compare

    found = compare(options.runs)
    if options.out:
        found.save(options.out)
    if options.json:
        say_json(found.to_dict())
    else:
        say(found)
