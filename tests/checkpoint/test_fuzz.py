"""Mutated files with checksums made right again: only our own errors come out.

Each test runs for ``LNFOLD_FUZZ_SECONDS`` (1 if unset) and prints how many files it tried; the
seed is fixed, so that a failure can be repeated.
"""

from __future__ import annotations

import io
import random
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lnfold.checkpoint import open_checkpoint
from tests.checkpoint import crafting
from tests.checkpoint.crafting import FLOAT, STRING, entry_message, extent, field
from tests.checkpoint.fuzzing import fuzz, mutated, read_all


def bundle_items() -> tuple[list[crafting.Item], bytes]:
    """A bundle with numbers, text, slices, and a graph of objects."""
    numbers = np.arange(6, dtype="<f4").tobytes()
    text, text_crc = crafting.strings([b"a", b"bcd"])
    node = field(1, field(1, 1) + field(2, b"v")) + field(3, field(1, 1) + field(2, b"m"))
    attribute = field(1, b"VARIABLE_VALUE") + field(2, b"model/v") + field(3, b"v")
    graph, graph_crc = crafting.strings([field(1, node) + field(1, field(2, attribute))])
    data = numbers + text + graph
    items = [
        (b"", crafting.header_message()),
        (crafting.slice_key("m", [(0, 2)]), entry_message(FLOAT, [2], numbers[:8])),
        (crafting.slice_key("m", [(2, 4)]), entry_message(FLOAT, [4], numbers[8:], 8)),
        (
            b"_CHECKPOINTABLE_OBJECT_GRAPH",
            entry_message(STRING, [], graph, len(numbers) + len(text), crc=graph_crc),
        ),
        (
            b"m",
            entry_message(
                FLOAT,
                [6],
                crc=0,
                extra=b"".join(
                    field(7, extent(start, length)) for start, length in ((0, 2), (2, 4))
                ),
            ),
        ),
        (b"t", entry_message(STRING, [2], text, len(numbers), crc=text_crc)),
        (b"v", entry_message(FLOAT, [2, 3], numbers)),
    ]
    return items, data


def test_mutated_entries(tmp_path: Path):
    """Keys and messages of the index are changed; the table around them stays sound."""
    items, data = bundle_items()
    read_all(crafting.write(tmp_path / "x", items, data))

    def attempt(rng: random.Random) -> None:
        changed = list(items)
        for _ in range(rng.randint(1, 2)):
            number = rng.randrange(len(changed))
            key, value = changed[number]
            if rng.random() < 0.15:
                key = mutated(rng, key)
            else:
                value = mutated(rng, value)
            changed[number] = key, value
        if rng.random() < 0.9:
            changed = sorted(dict(changed).items())
        read_all(crafting.write(tmp_path / "x", changed, data))

    fuzz(attempt)


def test_mutated_tables(tmp_path: Path):
    """Blocks are changed below their checksums, plain and compressed."""
    items, data = bundle_items()
    prefix = crafting.write(tmp_path / "x", items, data)
    content = crafting.block(items)

    def attempt(rng: random.Random) -> None:
        compressed = rng.random() < 0.4
        raw = crafting.snappy_literal(content) if compressed else content
        block = crafting.trailer(mutated(rng, raw), int(compressed))
        handle = crafting.varint(0) + crafting.varint(len(block) - 5)
        index = crafting.block([(b"v", handle)], 1)
        if rng.random() < 0.3:
            index = mutated(rng, index)
        footer = crafting.varint(len(block)) + crafting.varint(8)
        footer += crafting.varint(len(block)) + crafting.varint(len(index))
        if rng.random() < 0.1:
            footer = mutated(rng, footer)
        raw = block + crafting.trailer(index) + footer.ljust(40, b"\0")[:40]
        (tmp_path / "x.index").write_bytes(raw + struct.pack("<Q", crafting.MAGIC))
        read_all(prefix)

    fuzz(attempt)


def test_mutated_strings_and_graphs(tmp_path: Path):
    """Data is changed and the checksum of its entry made right again."""
    items, _ = bundle_items()
    graph = dict(items)[b"_CHECKPOINTABLE_OBJECT_GRAPH"]

    def attempt(rng: random.Random) -> None:
        text = mutated(rng, crafting.strings([b"a", b"bcd"])[0])
        node = mutated(rng, field(1, field(1, field(1, 1) + field(2, b"v"))) + field(1, b""))
        stored, crc = crafting.strings([node])
        entries = {
            "_CHECKPOINTABLE_OBJECT_GRAPH": entry_message(STRING, [], stored, crc=crc),
            "t": entry_message(STRING, [2], text, len(stored)),
        }
        read_all(crafting.bundle(tmp_path / "y", entries, stored + text))

    assert graph
    fuzz(attempt)


def test_mutated_v1_files(tmp_path: Path):
    """The messages inside a V1 file are changed; the table around them stays sound."""
    numbers = struct.pack("<3f", 1, 2, 3)
    meta = field(
        1,
        field(1, b"a")
        + field(2, crafting.shape_message([3]))
        + field(3, FLOAT)
        + field(4, extent(0, None)),
    )
    meta += field(
        1,
        field(1, b"b")
        + field(2, crafting.shape_message([2]))
        + field(3, 9)
        + field(4, extent(0, 1))
        + field(4, extent(1, 1)),
    )
    items = [
        (b"", field(1, meta + field(2, b""))),
        (
            crafting.slice_key("a", [(0, -1)]),
            field(2, field(1, b"a") + field(3, field(5, numbers))),
        ),
        (crafting.slice_key("b", [(0, 1)]), field(2, field(3, field(10, crafting.varint(-3))))),
        (crafting.slice_key("b", [(1, 1)]), field(2, field(3, field(10, 7)))),
    ]
    path = tmp_path / "model"
    path.write_bytes(crafting.table(items))
    assert [v.read().tolist() for v in open_checkpoint(path).values()] == [[1, 2, 3], [-3, 7]]

    def attempt(rng: random.Random) -> None:
        changed = list(items)
        number = rng.randrange(len(changed))
        changed[number] = changed[number][0], mutated(rng, changed[number][1])
        path.write_bytes(crafting.table(changed))
        read_all(path)

    fuzz(attempt)


def archives() -> Iterator[tuple[str, bytes]]:
    """A sound archive of each kind."""
    arrays = {"a/w:0": np.arange(6.0).reshape(2, 3), "t": np.array(["x", "yz"]), "s": np.float32(1)}
    for save in (np.savez, np.savez_compressed):
        stream = io.BytesIO()
        save(stream, **arrays)
        yield save.__name__, stream.getvalue()
        outer = io.BytesIO()
        with zipfile.ZipFile(outer, "w") as archive:
            archive.writestr("data", "{}")
            archive.writestr("parameters", stream.getvalue())
        yield "stable_baselines", outer.getvalue()


def test_mutated_archives(tmp_path: Path):
    """Zip archives of arrays: directory, headers, and contents changed anywhere."""
    sound = [raw for _, raw in archives()]
    path = tmp_path / "x.npz"

    def attempt(rng: random.Random) -> None:
        path.write_bytes(mutated(rng, rng.choice(sound)))
        read_all(path)

    fuzz(attempt)


def test_mutated_array_headers(tmp_path: Path):
    """The text in front of an array is changed inside an archive whose checksums are right."""
    stream = io.BytesIO()
    np.save(stream, np.arange(6.0).reshape(2, 3))
    raw = stream.getvalue()
    words = [
        b"'|O'",
        b"'<f4'",
        b"'<U4'",
        b"'|V2'",
        b"(6,)",
        b"(-1,)",
        b"(1e9,)",
        b"(2,3",
        b"()",
        b"True",
    ]
    words += [b"'" + b"(" * 50, b"9" * 30, b"__import__('os')", b"[('a','<f4')]"]

    def attempt(rng: random.Random) -> None:
        header = raw[10:128]
        for word in rng.sample([b"'<f8'", b"(2, 3)", b"False"], 2):
            header = header.replace(word, rng.choice(words))
        member = raw[:10] + header.ljust(118)[:118] + raw[128:]
        if rng.random() < 0.5:
            member = mutated(rng, member[:140]) + member[140:]
        with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
            archive.writestr("a.npy", member)
        read_all(tmp_path / "x.npz")

    fuzz(attempt)


@pytest.mark.parametrize("name", ["checkpoint"])
def test_mutated_state_files(tmp_path: Path, name: str):
    """A state file is text that anybody may have edited."""
    items, data = bundle_items()
    crafting.write(tmp_path / "model-1", items, data)
    crafting.write(tmp_path / "model-2", items, data)
    text = b'model_checkpoint_path: "model-2"\nall_model_checkpoint_paths: "model-1"\n'

    def attempt(rng: random.Random) -> None:
        (tmp_path / name).write_bytes(mutated(rng, text))
        open_checkpoint(tmp_path).close()

    fuzz(attempt)
