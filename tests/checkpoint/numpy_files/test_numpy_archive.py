"""Arrays saved by NumPy, and Stable-Baselines' archives around them."""

from __future__ import annotations

import io
import json
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.checkpoint.verify import verify
from lnfold.errors import DamagedError, InputError, NotACheckpointError, UnsupportedError

ARRAYS = {
    "model/pi/w:0": np.arange(6, dtype=np.float32).reshape(2, 3),
    "model/pi/b:0": np.zeros(3, np.float32),
    "big_endian": np.arange(4, dtype=">f8"),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "complex": np.array([1 + 2j]),
    "flag": np.array(True),
    "half": np.array([0.5, 2], np.float16),
    "unsigned": np.array([1, 2**64 - 1], np.uint64),
    "text": np.array(["a", "bä", ""]),
    "raw": np.array([b"x", b"yz"]),
    "empty": np.zeros((0, 4)),
    "long": np.arange(500_000, dtype=np.float32).reshape(-1, 4),
}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back(tmp_path: Path, save):
    """Every type, both orders of bytes and of dimensions, stored and compressed."""
    save(tmp_path / "x.npz", **ARRAYS)
    checkpoint = open_checkpoint(tmp_path / "x.npz")

    assert {name.removesuffix(":0") for name in ARRAYS} == set(checkpoint)
    assert checkpoint.format == "NumPy .npz"
    for key, wanted in ARRAYS.items():
        variable = checkpoint.by_key(key)
        found = variable.read()
        assert found.shape == variable.shape == wanted.shape
        if variable.dtype == "string":
            text = wanted if wanted.dtype.kind == "S" else np.char.encode(wanted, "utf-8")
            assert found.tolist() == text.astype(object).tolist()
            continue
        assert found.dtype == wanted.dtype.newbyteorder("=")
        assert found.flags.c_contiguous
        assert found.flags.aligned
        assert not found.flags.writeable
        assert found.tolist() == wanted.tolist()
        pieces = [np.array(piece) for piece in variable.storage.pieces(variable)]
        assert sum(piece.size for piece in pieces) == wanted.size
    assert verify(tmp_path / "x.npz").passed


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_stable_baselines_archives(tmp_path: Path, compression: int):
    """The archive inside the archive is read; what lies beside it is never looked into."""
    inner = io.BytesIO()
    np.savez(inner, **{"model/pi_fc0/w:0": np.ones((3, 4), np.float32)})
    with zipfile.ZipFile(tmp_path / "model.zip", "w", compression) as archive:
        archive.writestr("data", json.dumps({":serialized:": "gASVpickled"}))
        archive.writestr("parameters", inner.getvalue())
        archive.writestr("parameter_list", json.dumps(["model/pi_fc0/w:0"]))
    checkpoint = open_checkpoint(tmp_path / "model.zip")

    assert checkpoint.format == "Stable-Baselines .zip"
    assert checkpoint["model/pi_fc0/w"].read().tolist() == [[1.0] * 4] * 3


def test_listing_needs_no_numpy(tmp_path: Path):
    """Names, shapes and types are in the headers' text."""
    import subprocess

    np.savez(tmp_path / "x.npz", w=np.zeros((2, 3)))
    code = (
        "import sys; from lnfold.checkpoint import open_checkpoint\n"
        f"v = open_checkpoint({str(tmp_path / 'x.npz')!r})['w']\n"
        "assert (v.shape, v.dtype, v.nbytes) == ((2, 3), 'float64', 48)\n"
        "assert 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_objects_are_refused(tmp_path: Path):
    """An array of Python objects is a pickle; the arrays beside it are read."""
    np.savez(tmp_path / "x.npz", o=np.array([{}, 1], object), w=np.ones(2))
    checkpoint = open_checkpoint(tmp_path / "x.npz")

    assert checkpoint["w"].read().tolist() == [1, 1]
    with pytest.raises(UnsupportedError, match="pickled objects"):
        checkpoint["o"].read()


def archive_of(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def read_values(path: Path) -> None:
    for variable in open_checkpoint(path).values():
        variable.read()


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def test_a_pickle_as_a_member_is_refused(tmp_path: Path):
    """Under the name of an array, or as the parameters of Stable-Baselines."""
    import pickle

    raw = pickle.dumps([1.0])
    for members in ({"w.npy": raw}, {"data": b"{}", "parameters": raw}):
        with pytest.raises(UnsupportedError, match="pickle, which runs code"):
            open_checkpoint(archive_of(tmp_path / "x.zip", **members))


def test_pytorch_is_called_what_it_is(tmp_path: Path):
    """Its archives hold tensors that only a pickle describes."""
    for name in ("archive/data.pkl", "policy.pth"):
        with pytest.raises(UnsupportedError, match="PyTorch"):
            open_checkpoint(archive_of(tmp_path / "x.zip", **{name: b"\x80\x02."}))


def test_archives_without_arrays(tmp_path: Path):
    """An empty one, or one with other things."""
    for members in ({}, {"readme.txt": b"hello"}):
        with pytest.raises(NotACheckpointError, match="holds no arrays"):
            open_checkpoint(archive_of(tmp_path / "x.npz", **members))


def test_names_that_lead_out_are_only_names(tmp_path: Path):
    """Nothing is unpacked, so a path in a name goes nowhere."""
    name = "../../../../tmp/escape"
    path = archive_of(
        tmp_path / "x.npz", **{f"{name}.npy": npy(np.ones(2)), "/abs.npy": npy(np.ones(1))}
    )

    assert set(open_checkpoint(path)) == {name, "/abs"}
    assert list(tmp_path.iterdir()) == [path]


def test_a_zip_bomb_is_refused_before_it_grows(tmp_path: Path):
    """A gigabyte of zeros in a megabyte is not unpacked, whether or not it is an array."""
    path = tmp_path / "x.npz"
    header = npy(np.zeros(1))[:128].replace(b"(1,), }", f"({1 << 27},),}}".encode().ljust(7))
    header = header[:10] + header[10:].rstrip(b"\n ")[:117].ljust(117) + b"\n"
    options = {"compression": zipfile.ZIP_DEFLATED, "compresslevel": 9}
    with zipfile.ZipFile(path, "w", **options) as archive, archive.open("w.npy", "w") as member:
        member.write(header)
        for _ in range(1 << 6):
            member.write(bytes(1 << 21))
    with zipfile.ZipFile(path) as archive:
        assert archive.infolist()[0].file_size > 100 * path.stat().st_size
    tracemalloc.start()
    with pytest.raises(UnsupportedError, match="far more than the whole file"):
        read_values(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 8 << 20


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_every_damage_is_noticed_or_harmless(tmp_path: Path, compression: int):
    """Truncations and changed bytes: an error, or the same values."""
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("w.npy", npy(np.arange(5.0)))
        archive.writestr("b.npy", npy(np.ones(2, np.float32)))
    raw = path.read_bytes()
    variants = [raw[:length] for length in range(len(raw))]
    variants += [raw[:n] + bytes([raw[n] ^ 1 << n % 8]) + raw[n + 1 :] for n in range(len(raw))]
    refused = 0
    for variant in variants:
        path.write_bytes(variant)
        try:
            values = sorted(v.read().tolist() for v in open_checkpoint(path).values())
            assert values == [[0.0, 1.0, 2.0, 3.0, 4.0], [1.0, 1.0]]
        except InputError:
            refused += 1

    # Every truncation, and nearly every byte that is not a date or a flag of the directory.
    assert refused > 1.7 * len(raw)


def test_sizes_that_contradict_the_header(tmp_path: Path):
    """Shape and member must agree before anything is read."""
    raw = npy(np.arange(4.0))
    for changed in (raw[:-8], raw + bytes(8), raw.replace(b"(4,)", b"(5,)")):
        path = archive_of(tmp_path / "x.npz", **{"w.npy": changed})
        with pytest.raises(DamagedError, match="its member has"):
            open_checkpoint(path)["w"].read()
        assert set(verify(path).damaged) == {"w"}


def test_two_members_of_one_name(tmp_path: Path):
    """Which of them counts differs between readers, so neither does."""
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("w.npy", npy(np.ones(1)))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("w.npy", npy(np.zeros(1)))

    with pytest.raises(DamagedError, match="two members of the same name"):
        open_checkpoint(tmp_path / "x.npz")
