"""Time `tlkit.fit` from call to return: decoding, frozen pass, both phases and their validation."""

from __future__ import annotations

from typing import Any

import measure
import workloads


def main() -> None:
    """Run one step."""
    job = measure.job(__doc__, augment=True, compute=True)
    from tlkit.cli import hush

    hush()
    import keras

    import tlkit

    keras.utils.set_random_seed(job.seed)
    workload, data = workloads.WORKLOADS[job.workload], workloads.data(job)
    clf = workloads.classifier(workload, list(data.labels))
    unfrozen = (0, workload.unfreeze)
    phases = tuple(map(tlkit.Phase, ("head", "top"), job.epochs, workload.rates, unfrozen))
    passed = count_batches(clf)
    how = {"augment": job.augment, "compute": tlkit.Compute(job.precision, job.cache_budget)}
    with measure.Memory() as memory:
        history = tlkit.fit(clf, data, phases=phases, patience=99, seed=job.seed, **how)
    seen = sum(passed)  # before the test split is read
    examples = {name: len(getattr(data, name)) for name in workloads.SHARES}
    accuracy = tlkit.evaluate(clf, data.test).accuracy if workload.source != "fashion" else None
    first = history.trunk_seconds + history.phases[0]["seconds"]
    names = [phase.name for phase in phases]
    measure.write(
        job,
        measure.Run(
            who="tlkit",
            examples=examples,
            epochs=[{**record, "phase": names.index(record["phase"]), "startup": 0.0} for record in history.epochs],
            phase_seconds=[first, history.seconds - first],
            seconds=history.seconds,
            memory=memory,
            setup_seconds=history.trunk_seconds,
            accuracy=accuracy,
            extra={"passed": seen, "settings": history.settings, "phases": history.phases},
        ),
    )


def count_batches(clf: Any) -> list[int]:
    """Count the examples that `fit` asks the model's input for, each of which then passes the frozen part.

    Returns:
        A list that grows by one number, of examples, with each batch that is read.
    """
    import tensorflow as tf

    kind = type(clf.spec.input)
    original, passed = kind.batches, []

    def counted(*args: Any, **named: Any) -> tf.data.Dataset:
        dataset = original(*args, **named)
        return _Counted(dataset, passed)

    kind.batches = counted
    return passed


class _Counted:
    """Hand a dataset on, counting what is drawn from it."""

    def __init__(self, dataset: Any, passed: list[int]) -> None:
        self._dataset, self._passed = dataset, passed

    def __iter__(self) -> Any:
        import tensorflow as tf

        for batch in self._dataset:
            self._passed.append(int(tf.nest.flatten(batch)[0].shape[0]))
            yield batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataset, name)


if __name__ == "__main__":
    main()
