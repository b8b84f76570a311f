"""A set of pictures in the plane: those that a layer finds alike lie together."""

from collections.abc import Iterable

import numpy as np

from caffelike.errors import CaffelikeError
from caffelike.graph.net import Net
from caffelike.viz import passes


def features(net: Net, images: Iterable[np.ndarray], layer: str) -> np.ndarray:
    """A layer's values for each input (C, H, W): float32 (n, values), averaged over positions where it has maps."""
    blob = passes.blob_of(net, layer)
    rows = []
    for x in images:
        passes.show(net, x)
        values = net.blobs[blob].data[0]
        rows.append(values.reshape(len(values), -1).mean(axis=1) if values.ndim > 1 else values.copy())
    return np.array(rows, np.float32)


def embedding(rows: np.ndarray, method: str = "tsne", seed: int = 0) -> np.ndarray:
    """Points (n, 2), float32, for rows of features (n, values). Needs scikit-learn (extra `viz`).

    method: "tsne" keeps neighbours together (van der Maaten and Hinton, 2008), "pca" shows the two directions of the
    largest variance. The same seed gives the same points.
    """
    try:
        from sklearn.decomposition import PCA
        from sklearn.manifold import TSNE
    except ImportError as error:
        raise CaffelikeError("An embedding needs scikit-learn: pip install 'caffelike[viz]'") from error
    if method not in ("tsne", "pca"):
        raise CaffelikeError(f"An embedding's method is tsne or pca, not '{method}'.")
    if len(rows) < 3:
        raise CaffelikeError(f"An embedding takes three pictures or more, not {len(rows)}.")
    if method == "pca":
        return PCA(2, random_state=seed).fit_transform(rows).astype(np.float32)
    neighbours = min(30.0, (len(rows) - 1) / 3)
    return TSNE(2, perplexity=neighbours, init="pca", random_state=seed).fit_transform(rows).astype(np.float32)
