"""Random numbers that hang on a key alone, so that chunks, order and processes cannot change them.

Every village has a 64-bit key made of the seed and its id; every piece of ground derives its own from its parent's
(splitmix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014). A draw is a pure function of
a key and a salt that names what is drawn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Keys = NDArray[np.uint64]
Floats = NDArray[np.float64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def village_keys(ids: Iterable[str], *, seed: int) -> Keys:
    """One key for each village id under a seed: (n,) uint64."""
    salt = str(seed).encode()
    digests = (hashlib.blake2b(name.encode(), digest_size=8, key=salt[:64]).digest() for name in ids)
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def derive(keys: Keys, salt: int) -> Keys:
    """The key of a child: (n,) uint64 from (n,) uint64; another salt gives another child."""
    step = np.uint64((salt * 2 + 1) * int(_STEP) & 0xFFFFFFFFFFFFFFFF)
    mixed = keys + step
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
    return mixed ^ (mixed >> np.uint64(31))


def uniform(keys: Keys, salt: int) -> Floats:
    """Draws in the open interval (0, 1): (n,) float64."""
    return ((derive(keys, salt) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def normal(keys: Keys, salt: int) -> Floats:
    """Standard normal draws, by the inverse of the distribution function: (n,) float64."""
    drawn: Floats = ndtri(uniform(keys, salt))
    return drawn
