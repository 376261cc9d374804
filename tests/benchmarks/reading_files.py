"""Big checkpoints to measure reading with, written without holding them in memory.

python -m tests.benchmarks.reading_files PREFIX VARIABLES
python -m tests.benchmarks.reading_files PREFIX MEGABYTES SHARDS
"""

from __future__ import annotations

import sys
from pathlib import Path

import google_crc32c
import numpy as np

from tests.checkpoint import crafting

_WIDTH = 768


def many_variables(prefix: Path, count: int) -> str:
    """``count`` vectors of 64 floats with names as models have them."""
    raw = np.linspace(-1, 1, 64, dtype="<f4").tobytes()
    crc = crafting.masked(raw)
    kinds = ("kernel", "bias", "gamma", "beta")
    entries = {
        f"model/layer_{n // 8}/block_{n % 8 // 4}/{kinds[n % 4]}": crafting.entry_message(
            crafting.FLOAT, [64], raw, n * len(raw), crc=crc
        )
        for n in range(count)
    }
    items = [(b"", crafting.header_message())]
    items += sorted((name.encode(), entry) for name, entry in entries.items())
    # As TensorFlow closes its blocks, after 256 KiB.
    return crafting.write(prefix, items, raw * count, per_block=7000)


def large_bundle(prefix: Path, megabytes: int, shards: int) -> str:
    """A transformer of so many megabytes: kernels, and the vectors beside them."""
    rng = np.random.default_rng(0)
    shapes = {
        "dense/kernel": (_WIDTH, 4 * _WIDTH),
        "dense/bias": (4 * _WIDTH,),
        "output/kernel": (4 * _WIDTH, _WIDTH),
        "output/bias": (_WIDTH,),
        "norm/gamma": (_WIDTH,),
        "norm/beta": (_WIDTH,),
    }
    layer_bytes = sum(4 * int(np.prod(shape)) for shape in shapes.values())
    layers = max(shards, round(megabytes * 1e6 / layer_bytes))
    items = [(b"", crafting.header_message(shards=shards))]
    per_shard = -(-layers // shards)
    for shard in range(shards):
        offset = 0
        with open(f"{prefix}.data-{shard:05d}-of-{shards:05d}", "wb") as file:
            for layer in range(shard * per_shard, min(layers, (shard + 1) * per_shard)):
                for name, shape in shapes.items():
                    values = rng.standard_normal(shape, np.float32)
                    values *= np.float32(0.02)
                    raw = values.tobytes()
                    entry = crafting.entry_message(
                        crafting.FLOAT, shape, b"", offset, shard=shard, size=len(raw),
                        crc=masked(raw),
                    )  # fmt: skip
                    items.append((f"layer_{layer:04d}/{name}".encode(), entry))
                    file.write(raw)
                    offset += len(raw)
    Path(f"{prefix}.index").write_bytes(crafting.table(sorted(items)))
    return str(prefix)


def masked(raw: bytes) -> int:
    """The checksum of an entry, without a copy of what it is of."""
    crc = int(google_crc32c.value(raw))
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


if __name__ == "__main__":
    path, figures = Path(sys.argv[1]), [int(figure) for figure in sys.argv[2:]]
    if len(figures) == 1:
        many_variables(path, *figures)
    else:
        large_bundle(path, *figures)
