"""Count features that say the same once: the weight of copies is shared among them."""

from __future__ import annotations

import numpy as np

from segkit.analyse.numbers import LOOKED

SAME = 0.98  # correlation from which two features say the same


def redundancy(matrix: np.ndarray, blocks: list[slice]) -> np.ndarray:
    """Return which blocks of prepared columns say the same as which.

    Parameters
    ----------
    matrix : ndarray of shape (n, n_prepared)
    blocks : list of slice
        The columns of each feature or flag: one, or one for each word.

    Returns
    -------
    ndarray of bool, shape (n_blocks, n_blocks)
        True where the correlation of two columns is 0.98 or more in absolute terms; for words, where the RV
        coefficient [1]_, which is the squared correlation for single columns, is 0.98² or more. True on the diagonal.

    References
    ----------
    .. [1] Robert & Escoufier (1976), A unifying tool for linear multivariate statistical methods: the RV-coefficient,
       Applied Statistics 25.
    """
    centred = matrix[:: max(len(matrix) // LOOKED, 1)]
    centred = centred - centred.mean(axis=0)
    products = (centred.T @ centred) ** 2
    starts = [block.start for block in blocks]
    shared = (
        np.add.reduceat(np.add.reduceat(products, starts, axis=0), starts, axis=1) if starts else products
    )
    own = np.sqrt(np.diagonal(shared))
    size = np.outer(own, own)
    similar = np.divide(shared, size, out=np.zeros_like(shared), where=size > 0)
    return (similar >= SAME**2) | np.eye(len(blocks), dtype=bool)
