"""HDF5 as h5py writes it, and as nobody should: read without its library."""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.errors import DamagedError, UnsupportedError
from tests.checkpoint.fuzzing import fuzz, mutated, read_all


def every_kind(path: Path, version: str) -> dict[str, np.ndarray]:
    """An HDF5 file with every kind of array that h5py writes by default, and some more."""
    h5py = pytest.importorskip("h5py")
    rng = np.random.default_rng(0)
    arrays = {
        "half": rng.standard_normal((3, 4)).astype(np.float16),
        "single": rng.standard_normal((7, 5)).astype(np.float32),
        "double": rng.standard_normal(4).astype(">f8"),
        "signed": np.arange(-3, 3, dtype=np.int8),
        "unsigned": np.array([2**64 - 1], np.uint64),
        "big": np.arange(4, dtype=">i4"),
        "flag": np.array([True, False]),
        "text": np.array([b"ab", b"c"]),
        "scalar": np.array(3, np.float32),
        "empty": np.zeros((0, 3), np.float32),
        "long": rng.standard_normal((600, 1000)).astype(np.float32),
    }
    with h5py.File(path, "w", libver=version) as file:
        for name, array in arrays.items():
            file[f"{'early' if name < 'm' else 'late'}/{name}"] = array
        arrays["words"] = np.array([b"x", "yä".encode()], object)
        file["words"] = np.array(["x", "yä"], h5py.string_dtype())
        if version == "earliest":
            for number in range(300):
                file[f"many/w{number}"] = np.float32(number)
            options = {"chunks": (64, 100), "compression": "gzip", "shuffle": True}
            file.create_dataset("packed", data=arrays["long"], fletcher32=True, **options)
            arrays["packed"] = arrays["long"]
            file.create_dataset("sparse", shape=(10, 10), chunks=(4, 4), dtype="f4")[0:4, 8:] = 1
            arrays["sparse"] = np.zeros((10, 10), np.float32)
            arrays["sparse"][0:4, 8:] = 1
            file.create_dataset("unwritten", shape=(5,), dtype="f4")
            arrays["unwritten"] = np.zeros(5, np.float32)
    return arrays


@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_every_kind_of_hdf5_array(tmp_path: Path, version: str):
    """Both generations of the format; chunks, filters, text, space that was never written."""
    arrays = every_kind(tmp_path / "x.h5", version)
    checkpoint = open_checkpoint(tmp_path / "x.h5")

    for name, wanted in arrays.items():
        variable = next(v for v in checkpoint.values() if v.key.split("/")[-1] == name)
        found = variable.read()
        assert found.shape == wanted.shape
        assert found.dtype.isnative
        assert found.tolist() == wanted.astype(wanted.dtype.newbyteorder("=")).tolist()
        pieces = [np.array(piece) for piece in variable.storage.pieces(variable)]
        assert sum(piece.size for piece in pieces) == wanted.size
    if version == "earliest":
        assert sum(name.startswith("many/") for name in checkpoint) == 300


def test_links_that_lead_elsewhere(tmp_path: Path):
    """Soft and external links are not followed, loops are entered once."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["g/w"] = np.ones(2)
        file["g/loop"] = file["/"]
        file["soft"] = h5py.SoftLink("/g/w")
    with h5py.File(tmp_path / "y.h5", "w") as file:
        file["w"] = np.ones(2)
        file["secret"] = h5py.ExternalLink("/etc/passwd", "x")
        file["virtual"] = np.ones(1)
    first, second = open_checkpoint(tmp_path / "x.h5"), open_checkpoint(tmp_path / "y.h5")

    assert list(first) == ["g/w"]
    assert any("soft is a link to elsewhere" in note for note in first.notes)
    assert any("linked to twice" in note for note in first.notes)
    assert list(second) == ["virtual", "w"]
    assert any("secret is a link to elsewhere" in note for note in second.notes)


def test_absurd_hdf5(tmp_path: Path):
    """Arrays of 2^60 bytes without a byte, bombs, values in other files."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("giant", shape=(1 << 40, 1 << 10), dtype="f8")
        file.create_dataset("holes", shape=(1 << 40,), chunks=(1 << 20,), dtype="f4")
        bomb = {"chunks": (1 << 24,), "compression": "gzip", "compression_opts": 9}
        file.create_dataset("bomb", data=np.zeros(1 << 25, np.float32), **bomb)
        file.create_dataset("compound", data=np.zeros(2, [("a", "f4"), ("b", "i4")]))
    checkpoint = open_checkpoint(tmp_path / "x.h5")

    for name, reason in [
        ("giant", "far more than the whole file"),
        ("holes", "far more than the whole file"),
        ("bomb", "far more than the whole file"),
        ("compound", "neither number nor text"),
    ]:
        with pytest.raises(UnsupportedError, match=reason):
            checkpoint[name].read()
    with h5py.File(tmp_path / "y.h5", "w") as file:
        file.create_dataset("w", (4,), "f4", external=[("/etc/passwd", 0, 16)])
    with pytest.raises(UnsupportedError, match="other files"):
        open_checkpoint(tmp_path / "y.h5")


def many_members(path: Path, count: int, **how: object) -> set[str]:
    """Members and attributes that HDF5 keeps in dense storage once they are more than 8."""
    h5py = pytest.importorskip("h5py")
    names = {f"w{number}{'x' * (number % 50)}" for number in range(count)}
    with h5py.File(path, "w", **how) as file:
        group = file.create_group("g", track_order="track_order" in how)
        array = group.create_dataset("array", data=np.arange(3, dtype=np.float32))
        for name in names:
            group[name] = array
        for number in range(min(count, 50)):
            file.attrs[f"attribute_{number}"] = "a" * number
        file.attrs["model_config"] = '{"class_name": "Sequential"}'
    return {f"g/{name}" for name in {*names, "array"}}


@pytest.mark.parametrize("how", [{"libver": "latest"}, {"track_order": True}], ids=str)
@pytest.mark.parametrize("count", [1, 8, 9, 300, 3000, 20_000])
def test_groups_of_any_size(tmp_path: Path, count: int, how: dict[str, object]):
    """From a block of messages to trees of trees of them: every member, once, and its values."""
    wanted = many_members(tmp_path / "x.h5", count, **how)
    with open_checkpoint(tmp_path / "x.h5") as checkpoint:
        assert {variable.key for variable in checkpoint.values()} == wanted
        assert checkpoint.keras_config == '{"class_name": "Sequential"}'
        assert checkpoint["g/array"].read().tolist() == [0, 1, 2]


def test_mutated_dense_storage(tmp_path: Path):
    """Trees and heaps of messages carry checksums that are not needed: other checks hold."""
    many_members(tmp_path / "x.h5", 40, libver="latest")
    raw = (tmp_path / "x.h5").read_bytes()
    places = [place.start() for place in re.finditer(rb"BTHD|BTLF|BTIN|FRHP|FHDB|FHIB|OHDR", raw)]
    assert len(places) > 6
    path = tmp_path / "y.h5"

    def attempt(rng: random.Random) -> None:
        out = bytearray(raw)
        for _ in range(rng.randint(1, 3)):
            start = rng.choice(places) + rng.randrange(150)
            out[start : start + 8] = mutated(rng, bytes(out[start : start + 8]))[:8].ljust(8, b"\0")
        path.write_bytes(out)
        read_all(path)

    fuzz(attempt)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000, 65_537])
def test_the_checksum_of_chunks_is_verified(tmp_path: Path, size: int):
    """What h5py writes with fletcher32 is read, and a changed byte of it is not."""
    h5py = pytest.importorskip("h5py")
    values = np.random.default_rng(size).integers(0, 256, size, np.uint8)
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("w", data=values, chunks=(size,), fletcher32=True)
        place = file["w"].id.get_chunk_info(0).byte_offset
    with open_checkpoint(path) as checkpoint:
        assert (checkpoint["w"].read() == values).all()

    raw = bytearray(path.read_bytes())
    raw[place + size // 2] ^= 0x10
    path.write_bytes(raw)
    with open_checkpoint(path) as checkpoint, pytest.raises(DamagedError, match="checksum"):
        checkpoint["w"].read()
