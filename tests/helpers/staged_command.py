"""Run the command line and tell of every stage as it begins, so that another process can kill this one within it.

    python staged_command.py CHECKPOINT_SECONDS ARGUMENTS...

Stages: trunk, head, between, top, end, amounts, evaluation, export. A line `STAGE name` goes to standard error when
each begins for the first time: the learning curve reads stored features as the training does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

TOLD: set[str] = set()


def telling(name: str | Callable, function: Callable) -> Callable:
    """Wrap a function so that it tells of its stage; `name` may be a function of its arguments."""

    def told(*args: Any, **named: Any) -> Any:
        if (stage := name if isinstance(name, str) else name(*args)) not in TOLD:
            TOLD.add(stage)
            print("STAGE", stage, file=sys.stderr, flush=True)
        return function(*args, **named)

    return told


def main() -> int:
    """Wrap what the stages are made of and run a command."""
    from tlkit.artifacts import export
    from tlkit.cli import commands
    from tlkit.evaluation import evaluate
    from tlkit.features import extraction
    from tlkit.training import checkpoint, learning_curve, loop

    checkpoint.EVERY, checkpoint.SHARE = float(sys.argv[1]), 0
    extraction.fill = telling("trunk", extraction.fill)
    loop.train = telling(lambda tail, phase, *_: phase.name, loop.train)
    finish = checkpoint.Keeper.finish
    checkpoint.Keeper.finish = telling(
        lambda keeper, *_: "end" if keeper.progress.done else "between", lambda *given: finish(*given)
    )
    learning_curve.learning_curve = telling("amounts", learning_curve.learning_curve)
    evaluate.evaluate = telling("evaluation", evaluate.evaluate)
    export.export = telling("export", export.export)
    sys.argv[1:] = sys.argv[2:]
    return commands.main()


if __name__ == "__main__":
    sys.exit(main())
