"""The one pass over the data: the frozen part of a classifier runs, and what it says is kept and shared.

Features lie in shards on disk, mapped into memory: while memory is free the system keeps them there, and where it is
not they take none. What an earlier run stored of the same examples and the same frozen layers is not computed again.
"""

from __future__ import annotations

import functools
import os
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from tlkit.config import Augment
from tlkit.features import disk_cache, frontier, mixed_precision
from tlkit.features.feature_sets import Features, Source, Store, Stream
from tlkit.features.shards import Column, Folder, narrowed
from tlkit.models import cache_keys
from tlkit.utils import digests

if TYPE_CHECKING:
    import keras

BATCH = 32  # examples the frozen part computes at a time: more outgrow a processor's caches
AT_ONCE = 2  # batches
SHARD = 8 * BATCH  # examples in a shard: what is computed again where a run dies
MOST_SHARDS = 1000  # of one split; beyond it they grow
DIGITS = 32  # of a key, in the folder's name


@dataclass(frozen=True, eq=False)
class Job:
    """State what to compute.

    Args:
        sources: examples, each with the number of augmented versions to store.
        cuts: from the lowest to the highest; what leads from one to the next is computed once.
        kept: for each cut "float32" or "float16", the type it is stored in, or "stream".
        precision: what the trunk computes in, whatever block of `mixed_precision.computing` the job is asked in.
        budget: bytes that all stored features may take; those of earlier runs make way.
        needed: bytes that the features of this job take, about.
    """

    sources: Sequence[tuple[Source, int]]
    cuts: Sequence[frontier.Cut]
    kept: Sequence[str]
    precision: str = "float32"
    budget: int = 2**62
    needed: int = 0

    @property
    def clf(self) -> keras.Model:
        """The classifier whose trunk it is."""
        return self.sources[0][0].clf

    @functools.cached_property
    def places(self) -> list[_Place]:
        """Where everything that is stored goes."""
        with mixed_precision.computing(self.clf, self.precision):  # which a key tells of each layer
            return _places(self)

    @functools.cached_property
    def functions(self) -> dict[tuple[int, ...], Callable]:
        """What was compiled: by the cuts it leads through."""
        return {}

    def through(self, cuts: Sequence[frontier.Cut]) -> Callable[[Any], list[list[Any]]]:
        """Compile the way through these cuts, once only."""
        which = tuple(map(id, cuts))
        if which not in self.functions:
            self.functions[which] = trunk(self.clf, cuts, self.precision)
        return self.functions[which]


@dataclass(frozen=True, eq=False)
class _Place:
    """Where the features of one source at one cut go, in one view."""

    source: Source
    cut: frontier.Cut
    dtype: str
    view: int
    folder: Folder

    @property
    def rows(self) -> int:
        """How many examples a shard holds: whole batches."""
        return SHARD * max(1, -(-len(self.source.order) // (SHARD * MOST_SHARDS)))

    def missing(self) -> list[int]:
        """List the shards that are not stored."""
        return [n for n in range(-(-len(self.source.order) // self.rows)) if n not in self.folder.shards]


def fill(job: Job, tell: Callable[[int], Any] = lambda examples: None) -> tuple[list[list[Features]], int]:
    """Compute what is not stored yet, in one pass over each source, and give the features.

    Args:
        job: what to compute.
        tell: called after every batch with the number of its examples; what it raises ends the pass, and the shards
            that are finished stay.

    Returns:
        For each source the features at each cut, and how many examples passed the frozen part.

    Raises:
        RunError: the disk is full or may not be written.
        InputError: float16 cannot hold the features.
    """
    places = job.places
    for place in places:
        place.folder.open()
    there = sum(place.folder.nbytes for place in places)
    if any(place.missing() for place in places):
        disk_cache.make_room(max(0, job.needed - there), job.budget, {place.folder.path for place in places})
    passed = 0
    for source, views in job.sources:
        for view in range(views):
            wanted = [p for p in places if p.source is source and p.view == view and p.missing()]
            if wanted:
                passed += _pass(job.through([place.cut for place in wanted]), wanted, tell)
    at = {(id(source), id(cut)): [p for p in places if p.source is source and p.cut is cut]
          for source, _ in job.sources for cut in job.cuts}  # fmt: skip
    return [[_features(job, s, cut, at[id(s), id(cut)]) for cut in job.cuts] for s, _ in job.sources], passed


def _places(job: Job) -> list[_Place]:
    """List where everything that is stored goes."""
    places = []
    for cut, dtype in zip(job.cuts, job.kept, strict=True):
        if dtype == "stream":
            continue
        part = cache_keys.functions(frontier.parts(job.clf, None, cut))
        facts = {"trunk": part, "precision": job.precision, "dtype": dtype}
        for source, views in job.sources:
            for view in range(views):
                places.append(_Place(source, cut, dtype, view, _folder(source, cut, view, facts)))
    return places


def ahead(job: Job) -> int:
    """Count the examples that have yet to pass, as far as the names of the stored files tell."""
    missing: dict[tuple[int, int], set[int]] = {}
    sizes = {}
    for place in job.places:
        total, rows, key = len(place.source.order), place.rows, (id(place.source), place.view)
        sizes[key] = [min(rows, total - start) for start in range(0, total, rows)]
        missing.setdefault(key, set()).update(set(range(len(sizes[key]))) - place.folder.listed())
    return sum(sizes[key][shard] for key, shards in missing.items() for shard in shards)


def trunk(clf: keras.Model, cuts: Sequence[frontier.Cut], numbers: str) -> Callable[[Any], list[list[Any]]]:
    """Compile the way from the raw input through every cut, simplified as far as what is frozen allows.

    Args:
        clf: the classifier.
        cuts: from the lowest to the highest.
        numbers: the precision it computes in.
    """
    with mixed_precision.computing(clf, numbers):
        return _compiled(clf, cuts)


def _compiled(clf: keras.Model, cuts: Sequence[frontier.Cut]) -> Callable[[Any], list[list[Any]]]:
    import tensorflow as tf

    starts = [None, *cuts[:-1]]
    parts = [frontier.segment(clf, start, end, folded=True) for start, end in zip(starts, cuts, strict=True)]
    raw = clf.inputs[0]

    @tf.function(input_signature=[tf.TensorSpec(raw.shape, raw.dtype)])
    def run(value: Any) -> list[list[Any]]:
        reached = []
        for part, cut in zip(parts, cuts, strict=True):
            value = part(value, training=False)
            value = list(value) if isinstance(value, list | tuple) else [value]
            # a part may compute in half precision; what is kept is of the type the classifier says
            value = [tf.cast(given, tensor.dtype) for given, tensor in zip(value, cut.tensors, strict=True)]
            reached.append(value)
        return reached

    run.get_concrete_function()  # now, while the layers compute in the precision that was asked for
    return run


def _features(job: Job, source: Source, cut: frontier.Cut, places: Sequence[_Place]) -> Features:
    """Give what is stored at a cut, or a stream where nothing is."""
    if not places:
        run = job.through([cut])
        return Stream(source, lambda batch: run(batch)[0])
    ragged = source.ragged and any(None in tensor.shape[1:] for tensor in cut.tensors)
    views = []
    for place in places:
        shards = [place.folder.shards[number] for number in sorted(place.folder.shards)]
        tensors = zip(zip(*shards, strict=True), cut.tensors, strict=True)
        views.append(tuple(Column(pieces, place.rows, tensor.dtype) for pieces, tensor in tensors))
    store = Store(tuple(views), source.labels, ragged)
    if callable(source.reading.augment):
        for place in places:  # nobody will ever find these again
            weakref.finalize(store, disk_cache.remove, place.folder.path)
    return store


# === The pass ===


def _pass(run: Callable, wanted: Sequence[_Place], tell: Callable[[int], Any]) -> int:
    """Compute the shards that any place of a source and view lacks; return how many examples that took."""
    source, view, rows = wanted[0].source, wanted[0].view, wanted[0].rows
    shards = sorted({number for place in wanted for number in place.missing()})
    numbers = [source.order[shard * rows : (shard + 1) * rows] for shard in shards]
    computed = _in_order(run, source.batches(np.concatenate(numbers), view, BATCH))
    for shard, members in zip(shards, numbers, strict=True):
        outputs = []
        for start in range(0, len(members), BATCH):
            outputs.append([[tensor.numpy() for tensor in tensors] for tensors in next(computed)])
            tell(min(BATCH, len(members) - start))
        for place, tensors in zip(wanted, zip(*outputs, strict=True), strict=True):
            if shard not in place.folder.shards:
                arrays = [_joined(parts) for parts in zip(*tensors, strict=True)]
                place.folder.write(shard, [narrowed(array, place.dtype) for array in arrays])
    return sum(map(len, numbers))


def _in_order(run: Callable, batches: Iterator[Any]) -> Iterator[Any]:
    """Run a few batches at a time, which keeps the cores busier than one does, and give what they say in order."""
    waiting: deque[Future] = deque()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for batch in batches:
            waiting.append(pool.submit(run, batch))
            if len(waiting) > AT_ONCE:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Join batches, each padded with zeros to the longest of them along its ragged axis."""
    longest = np.max([part.shape for part in parts], axis=0)
    widths = [[(0, most - own) for most, own in zip(longest, part.shape, strict=True)] for part in parts]
    return np.concatenate([np.pad(part, [(0, 0), *wide[1:]]) for part, wide in zip(parts, widths, strict=True)])


# === Keys ===


def _folder(source: Source, cut: frontier.Cut, view: int, facts: dict[str, Any]) -> Folder:
    """Name the folder of a cut's features by all that may change them."""
    import keras
    import tensorflow as tf

    how, about = source.reading, source.clf.spec
    facts = facts | {
        "code": [cache_keys.code(), keras.__version__, tf.__version__, os.environ.get("TF_ENABLE_ONEDNN_OPTS")],
        "examples": source.split.digest(about.input.kind),
        "order": digests.combined({"order": source.order.tolist()}) if source.ragged else "",
        "input": {"kind": about.input.kind, "size": about.input.size, "resize": how.resize},
        "batch": BATCH,
    }
    if how.augment is not None:
        # what a function of the user's own does cannot be told from outside, so nothing is shared
        own = asdict(how.augment) if isinstance(how.augment, Augment) else uuid4().hex
        facts |= {"augment": own, "seed": how.seed, "view": view}
    names = f"{about.backbone.name}, {', '.join(cut.after)}, {len(source.order)} {about.input.kind}s"
    path = disk_cache.root() / digests.combined(facts)[:DIGITS]
    return Folder(path, f"{names}, view {view + 1}, {facts['dtype']}", len(cut.tensors))
