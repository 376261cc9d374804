"""Random changes to files, and what must come out of reading them: our own errors alone."""

from __future__ import annotations

import os
import random
import struct
import time
from collections.abc import Callable
from pathlib import Path

from lnfold.checkpoint import open_checkpoint
from lnfold.checkpoint.verify import verify
from lnfold.errors import InputError
from tests.checkpoint import crafting

SECONDS = float(os.environ.get("LNFOLD_FUZZ_SECONDS", "1"))
# Numbers that break arithmetic, as varints and as fixed numbers.
EDGES = [
    0,
    1,
    127,
    128,
    255,
    1 << 14,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 40,
    (1 << 63) - 1,
]
EDGES += [1 << 63, (1 << 64) - 1]


def mutated(rng: random.Random, raw: bytes) -> bytes:
    """``raw`` after one to four random changes."""
    out = bytearray(raw)
    for _ in range(rng.randint(1, 4)):
        at = rng.randint(0, len(out))
        choice = rng.randrange(7)
        if choice == 0 and out:
            out[at % len(out)] ^= 1 << rng.randrange(8)
        elif choice == 1 and out:
            out[at % len(out)] = rng.randrange(256)
        elif choice == 2:
            del out[at : at + rng.randint(1, 8)]
        elif choice == 3:
            out[at:at] = rng.randbytes(rng.randint(1, 8))
        elif choice == 4:
            out[at : at + rng.randint(0, 3)] = crafting.varint(rng.choice(EDGES))
        elif choice == 5:
            start = rng.randint(0, len(out))
            out[at:at] = out[start : start + rng.randint(1, 12)]
        else:
            out[at : at + 4] = struct.pack("<I", rng.choice(EDGES) & 0xFFFFFFFF)
    return bytes(out)


def read_all(path: Path | str) -> None:
    """Everything that a user can do with a checkpoint, in turn."""
    with open_checkpoint(path) as checkpoint:
        _ = checkpoint.object_graph
        for variable in checkpoint.values():
            try:
                variable.read()
            except InputError as error:
                _expect_a_remedy(error)
                continue
            for _ in variable.storage.pieces(variable):
                pass
    verify(path)


def fuzz(attempt: Callable[[random.Random], None]) -> int:
    """Attempts until the time is over; every exception but ours fails, and so does a slow one.

    Ours say what to do.
    """
    tried = refused = 0
    slowest = 0.0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        rng = random.Random(tried)
        start = time.monotonic()
        try:
            attempt(rng)
        except InputError as error:
            _expect_a_remedy(error)
            refused += 1
        except Exception as error:
            raise AssertionError(f"attempt {tried}") from error
        slowest = max(slowest, time.monotonic() - start)
        tried += 1
    print(f"{tried} files, {refused} refused, the slowest took {slowest * 1000:.0f} ms")
    assert tried > 20 * SECONDS
    assert slowest < 5
    return tried


def _expect_a_remedy(error: InputError) -> None:
    if not error.remedy:
        raise AssertionError("an error without a remedy") from error
