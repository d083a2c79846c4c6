"""Time PyTorch in a plain loop, frozen then unfrozen: efficientnet-lite-pytorch and transformers' BERT, same weights.

It runs in the peers' environment. Examples are decoded or tokenized once, in memory, within the clock. The frozen part
runs under `torch.no_grad()`, BatchNorm and frozen dropout in eval mode; pictures lie in `channels_last`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import measure
import numpy as np
import torch
import workloads

BATCH = 32
LITE0_REPEATS = (1, 2, 2, 3, 3, 4, 1)  # blocks in each of EfficientNet-lite0's stages


class Pictures(torch.nn.Module):
    """EfficientNet-lite0 -> average pooling -> Dropout -> Linear."""

    def __init__(self, splits: workloads.Splits, size: int) -> None:
        super().__init__()
        from efficientnet_lite_pytorch import EfficientNet

        classes = len(splits.names)
        self.net = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=splits.weights, num_classes=classes)
        self.size, self.first = size, sum(LITE0_REPEATS)
        self.to(memory_format=torch.channels_last)
        self.eval()

    def unfreeze(self, stages: int) -> None:
        """Open the top stages, with what lies above them; BatchNorm stays as it is."""
        self.first = sum(LITE0_REPEATS[: len(LITE0_REPEATS) - stages])
        opened = [self.net._fc, *self.net._blocks[self.first :], *([self.net._conv_head] if stages else [])]
        open_only(self, opened)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Give logits for uint8 pixels (batch, size, size, 3)."""
        net, first = self.net, self.first
        with torch.no_grad():
            x = (pixels.permute(0, 3, 1, 2).float() - 127) / 128
            x = net._swish(net._bn0(net._conv_stem(x)))
            for block in net._blocks[:first]:
                x = block(x)
        with torch.set_grad_enabled(torch.is_grad_enabled() and first < len(net._blocks)):
            for block in net._blocks[first:]:
                x = block(x)
            x = net._swish(net._bn1(net._conv_head(x))).mean((2, 3))
        return net._fc(torch.nn.functional.dropout(x, 0.2, self.training))

    def encode(self, paths: list[str]) -> list[np.ndarray]:
        """Decode and resize with Pillow, on all cores: uint8 (n, size, size, 3)."""
        from PIL import Image, ImageOps

        def one(path: str) -> np.ndarray:
            with Image.open(path) as image:
                return np.asarray(ImageOps.fit(image.convert("RGB"), (self.size,) * 2, Image.Resampling.BILINEAR))

        with ThreadPoolExecutor(measure.cores()) as pool:
            return list(pool.map(one, paths))

    def collate(self, items: list[np.ndarray]) -> tuple[torch.Tensor]:
        """Put encoded examples into one batch."""
        return (torch.from_numpy(np.stack(items)),)

    def dropout(self, on: bool) -> None:
        """Turn dropout on or off where it is trained."""
        self.training = on


class Texts(torch.nn.Module):
    """BERT -> mean of the tokens -> Dropout -> Linear.

    Args:
        splits: names of the classes and the weights' folder.
        size: tokens of a text, at most, or exactly.
        trim: pad to the longest text of a batch rather than to `size`.
    """

    def __init__(self, splits: workloads.Splits, size: int, trim: bool) -> None:
        super().__init__()
        from transformers import AutoTokenizer, BertModel

        self.net = BertModel.from_pretrained(splits.weights, add_pooling_layer=False)
        self.tokenizer = AutoTokenizer.from_pretrained(splits.weights)
        self.fc = torch.nn.Linear(self.net.config.hidden_size, len(splits.names))
        self.size, self.padding, self.opened = size, "longest" if trim else "max_length", []
        self.eval()

    def unfreeze(self, layers: int) -> None:
        """Open the top layers."""
        self.opened = list(self.net.encoder.layer[len(self.net.encoder.layer) - layers :])
        open_only(self, [self.fc, *self.opened])

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Give logits for token ids and mask (batch, tokens)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and bool(self.opened)):
            sequence = self.net(input_ids=ids, attention_mask=mask).last_hidden_state
            weights = mask[..., None].to(sequence.dtype)
            mean = (sequence * weights).sum(1) / weights.sum(1)
        return self.fc(torch.nn.functional.dropout(mean, 0.1, self.training))

    def encode(self, texts: list[str]) -> list[list[int]]:
        """Tokenize, unpadded."""
        return self.tokenizer(texts, truncation=True, max_length=self.size)["input_ids"]

    def collate(self, items: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Pad encoded examples into one batch."""
        batch = self.tokenizer.pad(
            {"input_ids": items}, padding=self.padding, max_length=self.size, return_tensors="pt"
        )
        return batch["input_ids"], batch["attention_mask"]

    def dropout(self, on: bool) -> None:
        """Turn dropout on or off where it is trained."""
        self.training = on
        for layer in self.opened:
            layer.train(on)


# === The loop ===


def open_only(model: torch.nn.Module, parts: list[torch.nn.Module]) -> None:
    """Make the parameters of some parts trainable, and no others; never BatchNorm's."""
    model.requires_grad_(False)
    for part in parts:
        part.requires_grad_(True)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.requires_grad_(False)


Examples = tuple[list[Any], torch.Tensor]


def batches(model: Any, examples: Examples, order: np.ndarray) -> Iterator[tuple[tuple, torch.Tensor]]:
    """Yield batches of (inputs, labels) in an order."""
    items, labels = examples
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        yield model.collate([items[number] for number in chosen]), labels[chosen]


def epoch(model: Any, train: Examples, val: Examples, optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """Train one epoch and validate; return its seconds, loss and validation accuracy."""
    clock, total = measure.Steps(), 0.0
    model.dropout(True)
    for inputs, labels in batches(model, train, np.random.permutation(len(train[0]))):
        loss = torch.nn.functional.cross_entropy(model(*inputs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(labels)
        clock.step()
    right = score(model, val)
    facts = {"seconds": time.perf_counter() - clock.ends[0], "startup": clock.startup()}
    return {**facts, "loss": total / len(train[0]), "val_accuracy": right}


def score(model: Any, examples: Examples) -> float:
    """Return the share of examples answered right."""
    model.dropout(False)
    with torch.no_grad():
        given = batches(model, examples, np.arange(len(examples[0])))
        return sum((model(*inputs).argmax(1) == labels).sum().item() for inputs, labels in given) / len(examples[0])


def train(model: Any, parts: tuple[Examples, Examples], workload: workloads.Workload, epochs: Any) -> tuple[list, list]:
    """Train both phases; return a record per epoch, and each phase's seconds."""
    records: list[dict[str, Any]] = []
    seconds: list[float] = []
    plan = zip(epochs, workload.keras_rates, (0, workload.unfreeze), strict=True)
    for phase, (count, rate, opened) in enumerate(plan):
        started = time.perf_counter()
        model.unfreeze(opened)
        optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=rate)
        for number in range(1, count + 1):
            record = epoch(model, *parts, optimizer)
            records.append({"phase": phase, "epoch": number, **record})
            print(records[-1], flush=True)
        seconds.append(time.perf_counter() - started)
    return records, seconds


def main() -> None:
    """Run one step."""
    job = measure.job(__doc__, trim=True)
    torch.manual_seed(job.seed)
    np.random.seed(job.seed)
    torch.set_num_threads(measure.cores())
    workload, splits = workloads.read(job)
    build: Callable = Pictures if workload.kind == "image" else lambda *given: Texts(*given, job.trim)
    model = build(splits, workload.size)
    with measure.Memory() as memory:
        started = time.perf_counter()
        parts = [(model.encode(part.items), torch.tensor(part.labels)) for part in (splits.train, splits.val)]
        setup = time.perf_counter() - started
        records, seconds = train(model, tuple(parts), workload, job.run)
        total = time.perf_counter() - started
    seconds[0] += setup
    extra = {"threads": torch.get_num_threads(), "trim": job.trim}
    run = measure.Run("torch", splits.sizes(), records, seconds, total, memory, setup_seconds=setup, extra=extra)
    measure.write(job, run)


if __name__ == "__main__":
    main()
