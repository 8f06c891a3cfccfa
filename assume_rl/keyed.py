"""Random draws that are a pure function of a key.

Every draw of a run comes from `generator(seed, purpose, ...)`: a fresh CPU generator seeded by a
hash of the run's seed and the key. A draw therefore does not depend on the shell, the device, the
order in which messages arrive or what was drawn before, and a resumed run needs no generator state.
"""

import hashlib

import torch
from torch import Generator, Tensor


def key_seed(seed: int, purpose: str, *key: str | int) -> int:
    """64-bit seed of the stream `(seed, purpose, *key)`."""
    text = "\x1f".join([str(seed), purpose, *(f"{type(k).__name__}:{k}" for k in key)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def generator(seed: int, purpose: str, *key: str | int) -> Generator:
    """CPU generator at the start of the stream `(seed, purpose, *key)`."""
    return Generator("cpu").manual_seed(key_seed(seed, purpose, *key))


def uniform(shape: tuple[int, ...], seed: int, purpose: str, *key: str | int) -> Tensor:
    """Uniform draws in [0, 1), float64, shape `shape`."""
    return torch.rand(shape, generator=generator(seed, purpose, *key), dtype=torch.float64)


def normal(shape: tuple[int, ...], seed: int, purpose: str, *key: str | int) -> Tensor:
    """Standard normal draws, float64, shape `shape`."""
    return torch.randn(shape, generator=generator(seed, purpose, *key), dtype=torch.float64)
