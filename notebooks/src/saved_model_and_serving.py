# %% [markdown]
# # From the notebook to a SavedModel, and to a server
#
# A trained model is of use when a program that knows nothing of the training can ask it. `tlkit.export` writes a
# **SavedModel**: bytes of a picture go in, an answer comes out, and whoever asks needs TensorFlow, or a server that has
# it, and nothing of tlkit. This notebook looks at what is written, asks it from a process of its own, and shows what a
# request to TensorFlow Serving looks like.

# %%
import base64
import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from PIL import Image as Picture

import tlkit

SMOKE = bool(os.environ.get("TLKIT_SMOKE"))  # set by tlkit's own tests: a small part of the data, one epoch
keras.utils.set_random_seed(0)
tf.get_logger().setLevel("ERROR")

# %% [markdown]
# ## A model to export
#
# Handwritten digits and EfficientNet-lite0, as in `first_steps_pictures.ipynb`, but quicker.

# %%
data = tlkit.digits()
if SMOKE:
    thin = [tlkit.Split(split.items[::8], split.labels[::8]) for split in (data.train, data.val, data.test)]
    data = replace(data, train=thin[0], val=thin[1], test=thin[2])
clf = tlkit.efficientnet_lite0_pool_dense(data.labels, size=48)
epochs = (1, 1) if SMOKE else (8, 4)
phases = [tlkit.Phase("head", epochs[0], 1e-2, 0), tlkit.Phase("top", epochs[1], 1e-3, 2)]
history = tlkit.fit(clf, data, phases=phases, augment="none", progress=False)
report = tlkit.evaluate(clf, data.test, history=history)
print(f"accuracy {report.accuracy:.3f}")

# %% [markdown]
# ## Export
#
# Before `export` returns, a process of its own has loaded the SavedModel and answered some of the report's examples;
# where its answers differ from those of `clf`, the export fails. How much they differed is noted.

# %%
artifact = tlkit.export(clf, "out/serving", report=report, overwrite=True)
print(artifact.facts["parity"])

# %% [markdown]
# ## What the files are

# %%
meaning = {
    "saved_model.pb": "the graphs of all signatures",
    "variables.index": "where each variable is",
    "variables.data-00000-of-00001": "the weights",
    "fingerprint.pb": "identifies the SavedModel",
    "model.keras": "the Keras model, to train on with",
    "tlkit.json": "labels, figures, versions, source and licence of the weights, SHA-256 of each file",
    "README.md": "the model card",
    "report.json": "the figures of the evaluation",
}
for path in sorted(Path("out/serving").rglob("*")):
    if path.is_file():
        name = path.relative_to("out/serving")
        print(f"{path.stat().st_size / 1e3:>9,.0f} kB  {name}: {meaning.get(path.name, 'a plot')}")

# %% [markdown]
# `saved_model/1` is laid out as TensorFlow Serving wants it: a folder for the model, and in it a folder for each
# version. A server takes the highest number; a new version goes beside the old one.
#
# ## The signatures
#
# Decoding, EXIF orientation, resizing and normalisation are all inside `serving_default`: what was true in training is
# true when serving.

# %%
served = tf.saved_model.load("out/serving/saved_model/1")  # keep it: its signatures alone do not hold the weights
for name, signature in sorted(served.signatures.items()):
    taken = ", ".join(
        f"{tensor.name} {tensor.dtype.name}{list(tensor.shape)}"
        for tensor in signature.structured_input_signature[1].values()
    )
    given = ", ".join(f"{key} {list(tensor.shape)}" for key, tensor in sorted(signature.structured_outputs.items()))
    print(f"{name}: {taken}\n    -> {given}")

# %% [markdown]
# ## Ask it from a process that knows TensorFlow only
#
# Bytes in, answer out: this is a whole client.

# %%
Path("client.py").write_text(
    """import sys

import tensorflow as tf

model = tf.saved_model.load(sys.argv[1])
pictures = [open(name, "rb").read() for name in sys.argv[2:]]
answer = model.signatures["serving_default"](tf.constant(pictures))
for label, best in zip(answer["label"].numpy(), answer["top_k_probabilities"].numpy()):
    print(f"answer {label.decode()} ({best[0]:.2f})")
assert "tlkit" not in sys.modules
""",
    "utf-8",
)


def png(pixels: np.ndarray) -> bytes:
    """Encode pixels as a PNG file would hold them."""
    file = io.BytesIO()
    Picture.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


files = [png(pixels) for pixels in data.test.items[:5]]
names = [f"digit{number}.png" for number in range(len(files))]
for name, content in zip(names, files, strict=True):
    Path(name).write_bytes(content)
done = subprocess.run(
    [sys.executable, "client.py", "out/serving/saved_model/1", *names],
    capture_output=True,
    text=True,
    check=True,
    env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
)
print("truth:", ", ".join(data.labels[number] for number in data.test.labels[:5]))
print(done.stdout)

# %% [markdown]
# For a model of texts the client begins with `import tensorflow_text`, which brings the tokenizer's operations.
#
# ## A server
#
# TensorFlow Serving is one command, with the folder that holds the versions:
#
#     docker run -p 8501:8501 -v "$PWD/out/serving/saved_model:/models/digits" -e MODEL_NAME=digits tensorflow/serving
#
# A picture does not fit into JSON as it is, so REST takes it in base64, marked by `b64`:

# %%
body = json.dumps(
    {
        "signature_name": "serving_default",
        "instances": [{"b64": base64.b64encode(content).decode()} for content in files],
    }
)
Path("request.json").write_text(body, "utf-8")
print(body[:160], "...")

# %% [markdown]
# to be sent by
#
#     curl -d @request.json http://localhost:8501/v1/models/digits:predict
#
# and the server answers `{"predictions": [{"label": ..., "probabilities": [...], "top_k_labels": [...], ...}, ...]}`,
# one entry for each picture. Texts go in as they are, `"instances": ["a text", ...]`, and need a server that was built
# with the operations of TensorFlow Text.
#
# There is no server here. But what it does with such a body is a few lines, so the body can be tried:

# %%
request = json.loads(Path("request.json").read_text("utf-8"))
taken = tf.constant([base64.b64decode(instance["b64"]) for instance in request["instances"]])
answer = served.signatures[request["signature_name"]](taken)
for label, best in zip(answer["label"].numpy(), answer["top_k_probabilities"].numpy(), strict=True):
    print(f"answer {label.decode()} ({best[0]:.2f})")

# %% [markdown]
# ## The embed endpoint: nearest neighbours
#
# `embed` gives the features that the head sees, one vector for each picture. Pictures with near vectors are alike,
# which finds similar ones, duplicates and, with a handful of examples, classes that the head was never told of.


# %%
def embed(split: tlkit.Split) -> np.ndarray:
    """Ask the SavedModel for unit vectors (n, channels)."""
    parts = [split.items[start : start + 64] for start in range(0, len(split.items), 64)]
    asked = served.signatures["embed"]
    vectors = np.concatenate([asked(tf.constant([png(one) for one in part]))["embedding"].numpy() for part in parts])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


shelf, wanted = embed(data.train), embed(data.test)
likeness = wanted @ shelf.T  # cosines
nearest = np.argsort(-likeness, axis=1)[:, :5]
right = (data.train.labels[nearest[:, 0]] == data.test.labels).mean()
print(f"the nearest picture of the training split is the same digit for {right:.3f} of the test pictures")

# %%
figure, places = plt.subplots(3, 6, figsize=(6, 3.2))
for row, query in zip(places, (0, 1, 2), strict=True):
    shown = [data.test.items[query], *data.train.items[nearest[query]]]
    for place, picture in zip(row, shown, strict=True):
        place.imshow(picture, cmap="gray")
        place.set(xticks=[], yticks=[])
    row[0].set_ylabel("asked", fontsize=8)
figure.suptitle("on the left the picture that was asked for, then its five nearest", fontsize=9)
figure.tight_layout()

# %% [markdown]
# ## Trust
#
# A SavedModel is a program. `tlkit.load` compares every file with the digest in `tlkit.json`, and refuses a graph that
# could do more than compute, before anything of it is run. Here one byte of the weights is changed:

# %%
weights = Path("out/serving/saved_model/1/variables/variables.data-00000-of-00001")
content = weights.read_bytes()
weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
try:
    tlkit.load("out/serving")
except tlkit.ArtifactError as error:
    print(error)
weights.write_bytes(content)

# %% [markdown]
# As it was, it loads, and answers paths, bytes and arrays of pixels alike:

# %%
artifact = tlkit.load("out/serving")
for prediction in artifact.predict(names):
    print(f"answer {prediction.label} ({prediction.probability:.2f})")

# %% [markdown]
# ## And now your own
#
# On the command line `tlkit train photos/ --out out/` writes the same artifact in the end, and `tlkit predict out/
# a.jpg` asks it. `SECURITY.md` says what `tlkit.load` promises and what it does not.
