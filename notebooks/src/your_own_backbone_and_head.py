# %% [markdown]
# # Bringing your own backbone and head
#
# tlkit knows many networks by name, but nothing in it depends on that list. A backbone is one *row*, a `tlkit.Backbone`
# that says how a network is built and where its blocks end. A head is one function. Both are handed over in place of a
# name.
#
# Here a small network of our own learns the digits 0 to 5, and what it has learned is transferred to 6, 7, 8 and 9, of
# which there are only few examples. The training loop is our own as well: what tlkit builds is a plain Keras model.

# %%
import os
from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import tlkit
from tlkit import ImageInput

SMOKE = bool(os.environ.get("TLKIT_SMOKE"))  # set by tlkit's own tests: one epoch
EPOCHS = 1 if SMOKE else 12
keras.utils.set_random_seed(0)
tf.get_logger().setLevel("ERROR")

# %% [markdown]
# ## A network, and what it knows
#
# Any function that returns a functional Keras model will do, from pixels `(batch, size, size, 3)` to a map of features
# `(batch, height, width, channels)`. It is called with `size`.


# %%
def strokes(size: int) -> keras.Model:
    """Build three blocks of a convolution, BatchNormalization and ReLU."""
    x = pixels = keras.Input((size, size, 3))
    for number, channels in enumerate((16, 32, 64), 1):
        x = layers.Conv2D(channels, 3, strides=2, padding="same", use_bias=False, name=f"conv{number}")(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"norm{number}")(x)  # few steps are taken here
        x = layers.ReLU(name=f"block{number}")(x)
    return keras.Model(pixels, x, name="strokes")


# %% [markdown]
# Its pretraining, on the digits 0 to 5, is plain Keras. In a project of your own the weights are there already.

# %%
digits = tlkit.digits()
SIZE = 32


def pixels(split: tlkit.Split) -> tf.Tensor:
    """Bring grey pictures of 8 x 8 to pixels (n, SIZE, SIZE, 3), 0..255."""
    return tf.image.resize(np.repeat(split.items[..., None], 3, axis=-1), (SIZE, SIZE))


def only(split: tlkit.Split, numbers: range, most: int | None = None) -> tlkit.Split:
    """Keep some digits, and at most so many pictures of each; the first of them is class 0."""
    kept = np.concatenate([np.flatnonzero(split.labels == number)[:most] for number in numbers])
    return tlkit.Split(split.items[kept], split.labels[kept] - numbers[0])


known = only(digits.train, range(6))
body = strokes(SIZE)
whole = keras.Sequential([layers.Rescaling(1 / 127.5, -1.0), body, layers.GlobalAveragePooling2D(), layers.Dense(6)])
whole.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
whole.fit(pixels(known), known.labels, epochs=EPOCHS, batch_size=16, verbose=0)
told = whole.evaluate(
    pixels(only(digits.test, range(6))), only(digits.test, range(6)).labels, verbose=0, return_dict=True
)
print(f"digits 0 to 5: accuracy {told['accuracy']:.3f}")
body.save_weights("strokes.weights.h5")

# %% [markdown]
# ## The row
#
# What tlkit has to know about a network:
#
# - what pictures it takes: `ImageInput` says how pixels are normalised (`"tf"` means -1..1, as in the pretraining;
#   `help(tlkit.ImageInput)` lists the others), the usual size and the smallest;
# - `blocks`: the name of the *last* layer of each block, from the bottom to the top. Unfreezing goes by whole blocks,
#   so no residual connection is ever cut.

# %%
ROW = tlkit.Backbone(
    "strokes",
    builder=strokes,
    input=ImageInput("tf", size=SIZE, minimum=8),
    blocks=("block1", "block2", "block3"),
    licence="ours",
    params=body.count_params(),
)

# %% [markdown]
# ## The head
#
# A head is a function of the features it takes, here the map, and of the *target*, which knows the last layer: a
# softmax over the classes, for one label. It gets `hidden` and `dropout`, whose defaults stand in the `Head`.


# %%
def two_pools(features: dict, target: tlkit.Label, *, hidden: int, dropout: float) -> keras.KerasTensor:
    """Build the mean and the maximum over all places -> Dense(hidden, relu) -> Dropout -> the target's output."""
    mean = layers.GlobalAveragePooling2D(name="mean")(features["map"])
    most = layers.GlobalMaxPooling2D(name="most")(features["map"])
    x = layers.Dense(hidden, activation="relu", name="hidden")(layers.Concatenate(name="both")([mean, most]))
    return target.output(layers.Dropout(dropout, name="dropout")(x))


HEAD = tlkit.Head("two_pools", two_pools, takes=("map",), hidden=32, dropout=0.2)

# %% [markdown]
# ## The classifier
#
# Only ten examples of each of the digits 6 to 9 are learned from.

# %%
few = replace(
    digits,
    train=only(digits.train, range(6, 10), most=10),
    val=only(digits.val, range(6, 10)),
    test=only(digits.test, range(6, 10)),
    labels=("6", "7", "8", "9"),
)
clf = tlkit.classifier(ROW, HEAD, few.labels, weights="strokes.weights.h5")
clf.summary()

# %% [markdown]
# It is checked like any other: a head that takes what the backbone does not give is refused, and so is a size that is
# too small, or weights that do not fit.

# %%
try:
    tlkit.classifier(ROW, "cls_dense", few.labels, weights=None)
except tlkit.InputError as error:
    print(error)

# %% [markdown]
# ## Your own loop
#
# `tlkit.unfreeze` opens the head and the top blocks, and keeps BatchNormalization in inference mode. What is done with
# `clf.trainable_variables` is up to you: here a `tf.GradientTape`, first with the head alone, then with the top block.

# %%
optimizer_rates = ((0, 1e-2), (1, 1e-3))  # blocks that are open, and the rate
batches = tf.data.Dataset.from_tensor_slices((pixels(few.train), few.train.labels)).shuffle(64, seed=0).batch(16)
loss_of = keras.losses.SparseCategoricalCrossentropy()
for opened, rate in optimizer_rates:
    tlkit.unfreeze(clf, opened)
    optimizer = keras.optimizers.Adam(rate)
    for _ in range(2 * EPOCHS):
        for x, y in batches:
            with tf.GradientTape() as tape:
                loss = loss_of(y, clf(x, training=True))
            gradients = tape.gradient(loss, clf.trainable_variables)
            optimizer.apply_gradients(zip(gradients, clf.trainable_variables, strict=True))
    report = tlkit.evaluate(clf, few.test)
    print(f"{opened} blocks open, {len(clf.trainable_variables)} variables trained: accuracy {report.accuracy:.3f}")

# %% [markdown]
# Did the pretraining help? The same network, head and loop, from random weights and with all of it open, on the same
# forty pictures:

# %%
fresh = tlkit.classifier(ROW, HEAD, few.labels, weights=None)
for part in fresh.layers:  # `fresh` itself is trainable already, and Keras passes on only what changes
    part.trainable = True
fresh.compile("adam", "sparse_categorical_crossentropy")
fresh.fit(pixels(few.train), few.train.labels, epochs=4 * EPOCHS, batch_size=16, verbose=0)
print(f"from random weights:  accuracy {tlkit.evaluate(fresh, few.test).accuracy:.3f}")
print(f"from the digits 0-5:  accuracy {report.accuracy:.3f}")

# %% [markdown]
# A little, here: one picture of 107 is 0.009. Digits are easy, and the network is small. The larger the network, and
# the more its pretraining has seen, the more it brings; `first_steps_pictures.ipynb` has one that saw a million
# photographs.
#
# ## All the rest is as usual
#
# `tlkit.fit` takes the classifier too; its two phases do in two lines what the loop above does in ten. `tlkit.export`
# writes a SavedModel that takes encoded pictures, whatever trained the model.

# %%
clf = tlkit.classifier(ROW, HEAD, few.labels, weights="strokes.weights.h5")
phases = [tlkit.Phase("head", 2 * EPOCHS, 1e-2, 0), tlkit.Phase("top", EPOCHS, 1e-3, 1)]
tlkit.fit(clf, few, phases=phases, batch_size=16, augment="none", patience=2 * EPOCHS, progress=False)
report = tlkit.evaluate(clf, few.test)
print(f"tlkit.fit: accuracy {report.accuracy:.3f}")
tlkit.export(clf, "out/your_own", report=report, overwrite=True)

# %%
artifact = tlkit.load("out/your_own")
some = np.linspace(0, len(few.test.labels) - 1, 6).astype(int)
names = [few.labels[number] for number in few.test.labels[some]]
for name, prediction in zip(names, artifact.predict(few.test.items[some]), strict=True):
    print(f"truth {name}, answer {prediction.label} ({prediction.probability:.2f})")

# %% [markdown]
# ## And now your own
#
# For texts a row has a `tlkit.TextInput`, and a head takes `"sequence"` and `"mask"`, or `"pooled"`. To give a row
# or a head to everybody, add it to tlkit's tables: `ARCHITECTURE.md` has the steps.
