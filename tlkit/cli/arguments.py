"""What the commands share: the options that name data, words read and written, and TensorFlow's start kept quiet."""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import IO, Any, NoReturn

from tlkit.utils import environment
from tlkit.utils.escaping import json_line, line
from tlkit.utils.progress import say

DECIMAL = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
SIZES = DECIMAL | {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


def hush() -> None:
    """Import TensorFlow with its start-up notes kept off the screen; some are written before it reads any setting.

    Raises InputError where the environment would decide over results, see `environment.check`.
    """
    environment.check()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for name in ("tensorflow", "absl"):
        logging.getLogger(name).setLevel(logging.ERROR)
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import keras_hub  # noqa: F401
        import tensorflow_text  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def table_options(parser: argparse.ArgumentParser) -> None:
    """Add what says how a table of numbers and categories is read."""
    parser.add_argument("--kind", choices=("table",), help="table: of numbers and categories, each row an example")
    ignored = "of such a table: columns, as A,B, that are not read, such as numbers of customers"
    parser.add_argument("--ignore", type=lambda text: tuple(text.split(",")), metavar="NAMES", help=ignored)


def limit_options(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the limits under which the model of somebody else runs; `what` says what the one of time is for."""
    add = parser.add_argument
    add("--isolate", action="store_true", help="run the model in a process of its own; either limit means that, too")
    add("--timeout", type=float, metavar="SECONDS", help=f"the most that {what} may take; by default no limit")
    taken = "the most memory that it may take beside TensorFlow's own, such as 2GB; of --isolate 4GB; Linux only"
    add("--memory", type=size, metavar="SIZE", help=taken)


def numbers(kind: Callable[[str], Any]) -> Callable[[str], tuple]:
    """Return a reader of comma-separated numbers for argparse; `kind` reads one."""

    def parse(text: str) -> tuple:
        return tuple(kind(part) for part in text.split(","))

    parse.__name__ = f"list of {kind.__name__}s"  # argparse puts it in its message
    return parse


def blocks(text: str) -> int | str:
    """Read a number of blocks, or "all"."""
    return "all" if text == "all" else int(text)


blocks.__name__ = "number of blocks"


def size(text: str) -> int:
    """Read a size such as 500MB, 2GB, 1.5GiB or plain bytes, and return the bytes; raise argparse's error."""
    found = re.fullmatch(r"([0-9]+)|([0-9]+(?:\.[0-9]+)?) ?([KMGT]?i?B)", text.strip(), re.IGNORECASE)
    unit = found and (found[3] or "B").upper()
    if unit not in SIZES:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write bytes or a unit: 500MB, 2GB, 1.5GiB, or 0")
    return int(Decimal(found[1] or found[2]) * SIZES[unit])


def amount(count: int) -> str:
    """Write a number of bytes as people read it, in decimal units: 0 B, 340 MB, 1.2 GB."""
    unit = max((name for name in DECIMAL if DECIMAL[name] <= count), key=DECIMAL.get, default="B")
    return f"{count / DECIMAL[unit]:.{1 if unit in ('GB', 'TB') else 0}f} {unit}"


class Parser(argparse.ArgumentParser):
    """Read the words of a command; what it complains of is a line, whatever is in the words."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and end with 2."""
        self.print_usage(sys.stderr)
        say(f"{self.prog}: error: {line(message)}", to=sys.stderr)
        sys.exit(2)


def say_line(text: object, *, to: IO[str] | None = None) -> None:
    """Print one line, at once: no end of a line in it begins another one. `to` is a stream, standard output else."""
    say(line(str(text)), to=to, flush=True)


def say_json(value: Any, *, to: IO[str] | None = None) -> None:
    """Print a value as one line of JSON, at once; a number that is not finite becomes null. `to` as for `say_line`."""
    from tlkit.utils.files import plain

    told = plain(value)
    try:
        text = json_line(told)
        text.encode(getattr(sys.stdout if to is None else to, "encoding", None) or "utf-8")
    except UnicodeEncodeError:  # the stream lacks a letter, which an escape can stand for
        text = json_line(told, plain=True)
    say(text, to=to, flush=True)


# === Data ===


def data_options(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    """Add what says which data are read, and how they are split."""
    add = parser.add_argument
    add(
        "data",
        nargs="?" if optional else None,
        help="a folder of class folders, a CSV/TSV/JSONL table, a CoNLL file, tfds:NAME, digits, or bbc_news",
    )
    add("--text-column", metavar="NAME", help="of a table; two, as A,B, are joined, or with --pairs two texts")
    add("--image-column", metavar="NAME", help="of a table that lists picture files")
    add("--label-column", metavar="NAME", help="of a table")
    add(
        "--target",
        choices=("label", "tags", "value", "entities", "reply", "summary"),
        default="label",
        help="what that column holds (default: label); entities: a file or folder of tagged words; reply, summary: "
        "what is to be written to the texts",
    )
    add("--pairs", action="store_true", help="each example is two texts")
    add("--root", metavar="DIR", help="of a table of pictures: where relative paths start, if not beside it")
    table_options(parser)
    add("--split", choices=("random", "stable"), default="random", help="stable: more examples move none of the others")
    add("--splits", metavar="FILE", help="a splits.csv of an earlier run, used again")
    add("--group-by", metavar="WHAT", help="a column, or a pattern of file names: what agrees in it is not parted")
    add(
        "--near-duplicates",
        choices=("together", "anywhere"),
        default="together",
        help="keep copies in one split (default)",
    )
    add("--strict", action="store_true", help="refuse data of which anything cannot be read")
    add("--seed", type=int, default=0, metavar="N")


def read(options: argparse.Namespace, *, like: Any = None) -> Any:
    """Read the data that the options of `data_options` name; raises as `tlkit.read` does.

    Args:
        options: what the command was given.
        like: the columns of another table, whose order and codes the rows of this one are read in.
    """
    from tlkit.config import Splitting
    from tlkit.data import reader_factory
    from tlkit.data.readers.tabular import table
    from tlkit.runs.job import READ

    splitting = Splitting(options.seed, options.split, options.splits, options.group_by, options.near_duplicates)
    if like is not None:
        about = {"label_column": options.label_column, "strict": options.strict}
        return table(options.data, like=like, splitting=splitting, **about)
    columns = {name: getattr(options, name) for name in READ}
    return reader_factory.read(options.data, splitting=splitting, task=options.target, **columns)
