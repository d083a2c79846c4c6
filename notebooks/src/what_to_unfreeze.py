# %% [markdown]
# # Feature extraction or fine-tuning: what to unfreeze, and why
#
# A pretrained network can be used in two ways. As a **feature extractor** it stays as it is, and only a new head
# learns. In **fine-tuning** its uppermost blocks learn as well. The lower a block lies, the more general is what it
# sees: edges and strokes at the bottom, whole objects at the top. So one opens from the top, as far as the data pay for
# it.
#
# How far is that? It can be measured. Here EfficientNet-lite0, trained on photographs, reads handwritten digits, with
# none to four of its seven blocks open and with few or many examples. All of it takes a few minutes on a processor,
# because what is frozen is computed once and stored: only what is open costs anything in every epoch.

# %%
import os
from dataclasses import replace

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import tlkit

SMOKE = bool(os.environ.get("TLKIT_SMOKE"))  # set by tlkit's own tests: a small part of the data, one epoch
keras.utils.set_random_seed(0)
tf.get_logger().setLevel("ERROR")

# %% [markdown]
# ## The data, in three sizes
#
# `Data` and `Split` are frozen dataclasses. Fewer examples for training are one `replace` away; validation and test
# stay the same, so that the figures can be compared.

# %%
data = tlkit.digits()
order = np.random.default_rng(0).permutation(len(data.train.labels))
each = {}
for count in (100, 400, len(order)) if not SMOKE else (100, 120):
    chosen = np.sort(order[:count])
    train = tlkit.Split(data.train.items[chosen], data.train.labels[chosen])
    each[count] = replace(data, train=train)
print(data)
print("examples for training:", ", ".join(map(str, each)))

# %% [markdown]
# ## One experiment
#
# A classifier is built once. Each experiment puts its first weights back and trains it in two phases: the head, then
# the head and the top blocks. `fit` returns a record for each epoch, and ends each phase with the weights of the lowest
# validation loss. All choices are made on the validation split; the test split waits for the end. No augmentation here:
# it would take longer and hide what we want to see.

# %%
clf = tlkit.efficientnet_lite0_pool_dense(data.labels, size=48)
start = clf.get_weights()
EPOCHS = (1, 1) if SMOKE else (10, 5)


def experiment(data: tlkit.Data, opened: int, rate: float = 1e-3, head_first: bool = True) -> dict:
    """Train anew with the top blocks open, and tell how it went."""
    clf.set_weights(start)
    head = tlkit.Phase("head", EPOCHS[0], 1e-2, 0)
    top = tlkit.Phase("top", EPOCHS[1], rate, opened)
    phases = [head] * head_first + [top] * (opened > 0)
    options = {"augment": "none", "patience": sum(EPOCHS), "progress": False, "compute": tlkit.Compute("float32")}
    history = tlkit.fit(clf, data, phases=phases, **options)
    kept = min(history.epochs, key=lambda record: record["val_loss"])
    return {
        "trained": history.phases[-1]["trainable"],
        "loss": kept["val_loss"],
        "accuracy": kept["val_accuracy"],
        "epochs": [record["val_loss"] for record in history.epochs],
    }


# %% [markdown]
# ## How many blocks?

# %%
depths = (0, 1, 2, 4) if not SMOKE else (0, 1)
found = {count: [experiment(some, opened) for opened in depths] for count, some in each.items()}
print(f"{'blocks open':>11} {'weights that learn':>18}   accuracy with " + " / ".join(map(str, found)) + " examples")
for place, opened in enumerate(depths):
    accuracies = " / ".join(f"{runs[place]['accuracy']:.3f}" for runs in found.values())
    print(f"{opened:>11} {found[max(found)][place]['trained']:>18,}   {accuracies}")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4))
for count, runs in found.items():
    left.plot(depths, [run["accuracy"] for run in runs], marker="o", label=f"{count} examples")
    right.plot(depths, [run["loss"] for run in runs], marker="o")
left.set(title="accuracy on the validation split", xlabel="blocks open, of 7", xticks=depths)
right.set(title="its loss (log)", xlabel="blocks open, of 7", xticks=depths, yscale="log")
left.legend()
figure.tight_layout()

# %% [markdown]
# With all 1,259 examples the loss falls with every block that is opened, and four of them bring the accuracy from 0.937
# to 0.985. With 400 it takes four blocks for a clear gain. With 100 nothing that was opened helped within five epochs:
# `fit` then keeps the weights that the head's phase ended with, and so the line is flat. Opening was of no use there,
# but it did no harm either.
#
# This was one seed, and one picture of 269 is 0.004: figures that lie nearer than about 0.02 say little, and the loss,
# which sees how sure the answers are, says more than the accuracy. Two things hold in general. What is opened needs
# examples to learn from. And the less the pictures look like what the network has seen, the deeper it pays to go:
# digits are far from photographs, whose flowers and dogs are often told apart by the head alone.

# %% [markdown]
# ## Why the head goes first
#
# A head that was just made answers at random, and what it sends back into the network is as random. With the blocks
# open from the start, that is what they learn from at first. The dotted line is where the second phase begins; the
# epochs before it cost next to nothing, for they run on stored features.

# %%
few = min(found)
opened = 2 if not SMOKE else 1
together = experiment(each[few], opened, head_first=False)
apart = found[few][depths.index(opened)]
figure, place = plt.subplots(figsize=(6, 3))
place.plot(range(1, len(apart["epochs"]) + 1), apart["epochs"], marker=".", label="head first, then both")
place.plot(range(EPOCHS[0] + 1, sum(EPOCHS) + 1), together["epochs"], marker=".", label="both at once")
place.axvline(EPOCHS[0] + 0.5, linestyle=":", color="gray")
place.set(title=f"validation loss, {few} examples, {opened} blocks", xlabel="epoch", yscale="log")
place.legend()
print(f"accuracy: head first {apart['accuracy']:.3f}, both at once {together['accuracy']:.3f}")

# %% [markdown]
# Five epochs with two blocks open stand on the right for both. Even after the head has learned, opening the blocks
# shakes everything up at first, and with so few examples it ends about where it began. Without that head it ends far
# higher. More epochs would bring it down, too; but they are the dear ones.
#
# ## At what rate?
#
# The rate of the second phase decides how much of what was learned before is kept.

# %%
rates = (1e-5, 1e-3, 1e-2) if not SMOKE else (1e-3,)
middle = sorted(each)[1]
by_rate = {rate: experiment(each[middle], opened, rate) for rate in rates if rate != 1e-3}
by_rate[1e-3] = found[middle][depths.index(opened)]  # known from above
for rate, run in sorted(by_rate.items()):
    print(f"rate {rate:g}: loss {run['loss']:.3f}, accuracy {run['accuracy']:.3f}")

# %% [markdown]
# Of the three, only `1e-3` came below the loss of the head alone, 0.443, and not by much. At `1e-5` five epochs move
# next to nothing. `1e-2` is the head's own rate, and far too large for what was learned before. In both cases `fit`
# kept the head's weights, which is why their lines are the same.
#
# ## The choice, and what it is worth
#
# What did best on the validation split is trained once more, on all examples, and measured on the test split.

# %%
most = max(found)
best = depths[int(np.argmin([run["loss"] for run in found[most]]))]
experiment(each[most], best)
print(f"{best} blocks open: test accuracy {tlkit.evaluate(clf, data.test).accuracy:.3f}")

# %% [markdown]
# ## What to do with your own data
#
# | your data | begin with |
# |---|---|
# | few, and like what the network knows (photographs) | the head alone: `phases=[tlkit.Phase("head", 10, 1e-3)]` |
# | more of them | two phases, one or two blocks, `1e-4`: what `tlkit.fit` does by itself |
# | unlike what it knows (scans, drawings, microscopy) | more blocks, and a larger rate, as here |
#
# Then measure, as above: a loop over `unfreeze` is a few lines, and the frozen part is not computed twice.
