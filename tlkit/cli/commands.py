"""The command line: it parses, calls run.py and prints.

Exit codes: 0 done, 2 bad input or an output that cannot be written, 130 interrupted, 141 nobody reads what is printed.
A command that makes something (`--out`, `--resume`) goes on to its end without a reader, and then ends with 0.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tlkit import __version__
from tlkit.cli import arguments, maintenance, output_streams
from tlkit.cli.arguments import data_options, hush, read, say, say_json, say_line
from tlkit.errors import InputError, Interrupted, TlkitError, unknown
from tlkit.utils import environment, network
from tlkit.utils.escaping import line


def main(arguments: Sequence[str] | None = None, *, inside: bool = False) -> int:
    """Run one command and return its exit code; `inside` a process with limits, no other is started for them."""
    with output_streams.Guard() as guard:
        code = _command(arguments, guard, inside)
    return guard.code(code)


def _command(arguments: Sequence[str] | None, guard: output_streams.Guard, inside: bool) -> int:
    parser = _parser()
    options, more = parser.parse_known_args(arguments)
    if more and (not hasattr(options, "items") or any(word.startswith("-") for word in more)):
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    if more:  # argparse takes no files after an option that follows the directory
        options.items += more
    if not hasattr(options, "command"):
        parser.print_help()
        return 2
    guard.go_on(any(getattr(options, name, None) for name in ("out", "resume")))
    try:
        if not inside and (limits := _whole(options)):
            return _apart(options, sys.argv[1:] if arguments is None else arguments, limits)
        with network.guard():
            options.command(options)
    except TlkitError as error:
        _complain(options, error, f"tlkit: error: {line(str(error))}")
        return 2
    except KeyboardInterrupt as stop:
        if inside:  # who started this process tells it
            return 130
        if arguments is None:  # a program that ends: of another Ctrl-C, TensorFlow would show a stack trace
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        told = str(stop) or "interrupted; nothing half-written is left"
        _complain(options, Interrupted(told), f"\ntlkit: {line(told)}")
        return 130
    except Exception as error:
        if guard.gave_up:
            return 0  # `Guard.code` makes of it what is right
        from tlkit.utils import files

        if (told := environment.limit(error) or files.remedy(error)) is None:
            raise  # a mistake of ours: its stack trace says where
        _complain(options, error, f"tlkit: error: {line(told)}")
        return 2
    return 0


def _complain(options: argparse.Namespace, error: BaseException, told: str) -> None:
    """Write what stopped a command; of `train --json` as a JSON object."""
    if options.command is _train and options.json:
        say_json({"error": type(error).__name__, "message": str(error)}, to=sys.stderr)
    else:
        say(told, to=sys.stderr)


# === Limits ===


def _whole(options: argparse.Namespace) -> Any:
    """Return the limits of a command that runs in a process of its own as a whole; `predict` isolates the model."""
    from tlkit.artifacts import isolation

    if options.command not in (_evaluate, _export):
        return None
    return isolation.limits(options.isolate, options.timeout, options.memory)


def _apart(options: argparse.Namespace, arguments: Sequence[str], limits: Any) -> int:
    from tlkit.artifacts import isolation

    code = f"import sys; from {limited.__module__} import limited; sys.exit(limited(*sys.argv[1:]))"
    command = [sys.executable, "-P", "-c", code, str(limits.memory or ""), *arguments]
    sys.stdout.flush()
    return isolation.run(command, f"{options.artifact}: tlkit {options.command.__name__[1:]}", limits)


def limited(memory: str, *arguments: str) -> int:
    """Run one command in this process, which was started for it, within so many bytes beside those of TensorFlow."""
    from tlkit.artifacts import isolated_worker, isolation

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # to be stopped is to tidy up
    try:
        isolated_worker.end_with(sys.stdin.fileno())
        hush()
        isolated_worker.limit(int(memory) if memory else None)
        return main(arguments, inside=True)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if type(error).__name__ in isolation.MEMORY_ERRORS:
            return isolation.OUT_OF_MEMORY_CODE
        raise


# === Options ===


def _parser() -> argparse.ArgumentParser:
    parser = arguments.Parser(prog="tlkit", description="Transfer learning on Keras 3 and TensorFlow.")
    parser.add_argument("--version", action="version", version=f"tlkit {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _train_parser(commands)
    _use_parsers(commands)
    for name, text in (
        ("backbones", "list the backbones"),
        ("heads", "list the heads"),
        ("recipes", "list the named combinations of backbone and head"),
    ):
        commands.add_parser(name, help=text, description=text).set_defaults(command=TABLES[name])
    maintenance.add_parsers(commands)
    return parser


def _train_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "train",
        help="train on a folder or table and export a SavedModel",
        description="Train in two phases, measure on the test split, export a SavedModel that takes raw input.",
    )
    parser.set_defaults(command=_train)
    add = parser.add_argument
    data_options(parser, optional=True)
    add("--resume", metavar="DIR", help="go on with an unfinished run as it was started; DATA only where they moved")
    add("--recipe", metavar="NAME", help="a named combination, see `tlkit recipes`; by default one that suits the data")
    add(
        "--out", metavar="DIR", help="the run directory, which holds the artifact in the end; an unfinished run goes on"
    )
    add("--backbone", metavar="NAME", help="instead of the recipe's, see `tlkit backbones`")
    add("--head", metavar="NAME", help="instead of the recipe's, see `tlkit heads`")
    add("--weights", default="pretrained", metavar="PATH", help="pretrained (default), random, or a file or folder")
    add("--size", type=int, metavar="N", help="pixels of a side, or tokens of a text")
    add("--resize", choices=("crop", "pad", "stretch"), default="crop", help="how pictures are brought to the size")
    _schedule_options(parser)
    add("--batch-size", type=int, default=32, metavar="N")
    add("--augment", default="auto", metavar="HOW", help="auto (light for pictures), none, light or strong")
    add("--no-flip", dest="flip", action="store_false", help="never mirror pictures")
    add("--views", type=int, metavar="K", help="augmented versions stored of each picture")
    add("--dropout", type=float, metavar="RATE")
    add("--hidden", type=int, metavar="N", help="width of the head's hidden layer, 0 for none")
    add("--words", action="store_true", help="of texts: add scores of words and word pairs to those of the vector")
    add("--lora", type=int, metavar="RANK", help="of --target reply or summary: train low-rank additions alone")
    add("--patience", type=int, default=3, metavar="N", help="epochs to wait for a better validation loss")
    add("--class-weight", choices=("balanced",), help="weigh rare classes up")
    add("--sampling", choices=("all", "balanced"), default="all", help="balanced draws rare classes more often")
    add("--weight-decay", type=float, default=1e-4, metavar="RATE")
    add("--label-smoothing", type=float, default=0.0, metavar="SHARE")
    add("--precision", choices=("auto", "float32", "bfloat16"), default="auto", help="auto takes what is faster here")
    add("--cache-budget", type=arguments.size, metavar="SIZE", help="disk for stored features, such as 2GB; 0 for none")
    add("--deterministic", action="store_true", help="the same seed gives the same bits on the same machine")
    add("--overwrite", action="store_true", help="start anew in a directory that holds a run")
    add("--quiet", action="store_true", help="print the result only")
    add(
        "--json",
        action="store_true",
        help="print JSON, a line for each of plan, estimate, epochs, phases and result; errors to stderr, too",
    )
    add("--tensorboard", metavar="DIR", help="write each epoch's figures there, for TensorBoard")


def _schedule_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--quality",
        choices=("fast", "good", "schedule"),
        help="good (default): a solved head, then the top blocks if validation says so; fast: the head alone; "
        "schedule: the backbone's phases as the next three options change them",
    )
    add("--epochs", type=arguments.numbers(int), metavar="N,N", help="per phase, such as 10,5; 0 leaves a phase out")
    add("--learning-rate", type=arguments.numbers(float), metavar="R,R", help="per phase, such as 1e-3,1e-4")
    add("--unfreeze", type=arguments.blocks, metavar="K", help="blocks of the last phase, or all")
    add("--no-refit", dest="refit", action="store_false", help="leave the val split out of the head's last fit")


def _use_parsers(commands: Any) -> None:
    doctor = commands.add_parser("doctor", help="say what is wrong with some data, before training")
    data_options(doctor)
    doctor.add_argument("--no-labels", dest="labels", action="store_false", help="do not judge the labels: no network")
    doctor.add_argument("--json", action="store_true", help="print JSON")
    doctor.add_argument("--out", metavar="DIR", help="save doctor.json and doctor.html, a page with pictures, there")
    doctor.set_defaults(command=_doctor)
    predict = commands.add_parser("predict", help="answer pictures or texts with an exported model")
    predict.add_argument("artifact", help="the directory of a finished run")
    predict.add_argument("items", nargs="*", help="picture files, texts, pairs with a tab between; or lines of stdin")
    predict.add_argument("--json", action="store_true", help="one JSON object a line")
    abstain = "of one label each: answer ? where the most probable is less probable; the report says what is gained"
    predict.add_argument("--threshold", type=float, metavar="T", help=abstain)
    arguments.limit_options(predict, "answering 32 items")
    predict.set_defaults(command=_predict)
    evaluate = commands.add_parser("evaluate", help="measure an exported model on the test split of some data")
    evaluate.add_argument("artifact", help="the directory of a finished run")
    data_options(evaluate)
    evaluate.add_argument("--out", metavar="DIR", help="save the report there; not in an artifact, which has its own")
    arguments.limit_options(evaluate, "the whole command")
    evaluate.set_defaults(command=_evaluate, target=None)
    export = commands.add_parser("export", help="write the artifact of a finished run anew, elsewhere")
    export.add_argument("artifact", help="the directory of a finished run")
    export.add_argument("--out", required=True, metavar="DIR")
    export.add_argument("--overwrite", action="store_true", help="replace an artifact that is there")
    arguments.limit_options(export, "the whole command")
    export.set_defaults(command=_export)


# === Commands ===


def _train(options: argparse.Namespace) -> None:
    from tlkit.runs import preview
    from tlkit.runs.job import inspect
    from tlkit.runs.run import run_job

    job = _resumed(options) if options.resume else _job(options)
    inspect(job)  # before TensorFlow is imported, which takes seconds
    hush()
    progress = say_json if options.json and not options.quiet else not options.quiet
    run = run_job(job, overwrite=options.overwrite, progress=progress, tensorboard=options.tensorboard)
    if options.json:
        facts = {"directory": str(run.directory), "already": run.already, "examples": run.report.n}
        say_json({"event": "result", **facts, "figures": run.report.figures, "notes": run.report.notes})
        return
    if run.already:
        say_line(f"{run.directory}: this run is finished; nothing was done again")
    elif not options.quiet:
        say(preview.summary(run.ledger["history"]))
    say(run.report)
    say_line(f"artifact: {run.directory}")


def _job(options: argparse.Namespace) -> Any:
    from tlkit.runs.job import Job

    if not options.data or not options.out:
        raise InputError("give DATA and --out DIR, or --resume DIR for an unfinished run; see `tlkit train --help`")
    backbone, head = _combination(options)
    taken = {key: value for key, value in vars(options).items() if key in Job.__dataclass_fields__}
    taken |= {"backbone": backbone, "head": head}
    taken["weights"] = None if options.weights == "random" else options.weights
    return Job(**taken)


def _resumed(options: argparse.Namespace) -> Any:
    """Take a run's own job; refuse options that it would not heed."""
    from tlkit.runs.job import Job, resumed

    usual = {name: field.default for name, field in Job.__dataclass_fields__.items() if name not in ("data", "out")}
    usual |= {"out": None, "recipe": None, "overwrite": False}
    if given := [name for name, value in usual.items() if getattr(options, name) != value]:
        names = ", ".join(f"--{'no-flip' if name == 'flip' else name.replace('_', '-')}" for name in given)
        raise InputError(f"--resume goes on with the settings of {options.resume}; leave out {names}")
    return resumed(options.resume, data=options.data)


def _combination(options: argparse.Namespace) -> tuple[str | None, str | None]:
    """Resolve --recipe, --backbone and --head to a backbone and a head; None leaves the choice to the data."""
    from tlkit.models.factories import FACTORIES

    backbone = head = None
    if options.recipe is not None:
        if options.recipe not in FACTORIES:
            raise unknown("recipe", options.recipe, FACTORIES)
        _, backbone, head = FACTORIES[options.recipe]
    return options.backbone or backbone, options.head or head


def _predict(options: argparse.Namespace) -> None:
    import dataclasses

    from tlkit.artifacts.artifact import load

    hush()
    artifact = load(options.artifact, isolate=options.isolate, timeout=options.timeout, memory=options.memory)
    items = options.items or [row.rstrip("\n") for row in sys.stdin]
    for item, found in zip(items, artifact.predict(items, threshold=options.threshold), strict=True):
        if options.json:
            say_json({"item": item, **dataclasses.asdict(found)})
        else:
            say(f"{found}\t" + "\t".join(map(line, item.split("\t"))))  # a pair of texts has a tab between


def _evaluate(options: argparse.Namespace) -> None:
    from tlkit.artifacts.artifact import load
    from tlkit.evaluation import evaluate

    if options.out and any(os.path.exists(Path(options.out) / name) for name in ("tlkit.json", "run.json")):
        raise InputError(f"{options.out} is a run or artifact with a report of its own; give another --out")
    hush()
    artifact = load(options.artifact)
    options.target = options.target or artifact.target.name
    if options.target != artifact.target.name:
        raise InputError(f"the model answers --target {artifact.target.name}, not {options.target}; leave it out")
    examples = read(options, like=getattr(artifact.input, "table", None))
    if examples.kind != artifact.input.kind:
        raise InputError(f"the model takes {artifact.input.kind}s, but {options.data} holds {examples.kind}s")
    if examples.labels != artifact.labels and options.target != "value":
        raise InputError(f"{options.data} has the labels {examples.labels}, the model {artifact.labels}; match them")
    measured = evaluate.evaluate(artifact.model, examples.test, notes=(examples.splitting,))
    say(measured)
    if options.out:
        measured.save(options.out)


def _doctor(options: argparse.Namespace) -> None:
    hush()
    from tlkit.doctor.diagnose import diagnose

    examples = read(options)
    found = diagnose(examples, labels=options.labels, seed=options.seed, progress=not options.json)
    if options.json:
        say_json(found.to_dict())
    else:
        say(found)
    if options.out:
        found.save(options.out, examples)
        say_line(f"page: {Path(options.out) / 'doctor.html'}", to=sys.stderr)


def _export(options: argparse.Namespace) -> None:
    from tlkit.artifacts.artifact import load
    from tlkit.artifacts.export import export
    from tlkit.runs import record

    out = Path(options.out)
    if os.path.exists(out) and not os.path.exists(out / "tlkit.json"):
        raise InputError(f"{out} is there and no artifact of tlkit; give another directory as --out")
    if os.path.exists(out) and not options.overwrite:
        raise InputError(f"{out} already holds an artifact; give --overwrite, or another directory as --out")
    hush()
    source = load(options.artifact)
    report = source.report if (source.path / "report.json").exists() else None
    again = os.path.exists(out) and os.path.samefile(out, source.path)  # a run.json that is there is of this artifact
    facts = record.load(out) if again and os.path.lexists(out / record.LEDGER) else None
    made = export(source.model, out, report=report, overwrite=options.overwrite, record=facts)
    say_line(f"artifact: {made.path}")


# === Tables ===


def _backbones(_: argparse.Namespace) -> None:
    hush()
    from tlkit.models.generation import generators

    say_line(f"{'backbone':<24} {'input':<6} {'size':>5} {'blocks':>6} {'parameters':>12}  licence")
    for row in generators.rows().values():
        blocks = row.arguments.get("num_layers", "?") if callable(row.blocks) else len(row.blocks)
        figures = f"{row.input.size:>5} {blocks:>6} {row.params:>12,}"
        say_line(f"{row.name:<24} {row.input.kind:<6} {figures}  {row.licence or '?'}")


def _heads(_: argparse.Namespace) -> None:
    from tlkit.models.heads import HEADS

    for head in HEADS.values():
        say_line(f"{head.name:<16} {''.join((head.build.__doc__ or '').splitlines()[:1])}")


def _recipes(_: argparse.Namespace) -> None:
    from tlkit.models.factories import FACTORIES

    for name, (_, backbone, head) in FACTORIES.items():
        say_line(f"{name:<32} {backbone} + {head}")


TABLES = {"backbones": _backbones, "heads": _heads, "recipes": _recipes}
