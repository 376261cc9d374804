"""Zips: every bit that carries something is looked at, every rest and every overlap is said."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lnfold.checkpoint.verify import Verification, verify
from lnfold.errors import InputError
from tests.conftest import Outcome


def npz(save: Callable[..., None] = np.savez) -> bytes:
    stream = io.BytesIO()
    save(stream, w=np.arange(6.0), b=np.ones(2, np.float32))
    return stream.getvalue()


def stable_baselines(compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr("data", json.dumps({"gamma": 0.99, ":serialized:": "gASV" * 9}))
        archive.writestr("parameters", npz())
        archive.writestr("parameter_list", json.dumps(["w", "b"]))
    return stream.getvalue()


def streamed() -> bytes:
    """Written where nobody can go back: checksums and sizes stand behind the data."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError("a pipe has no place")

        def seek(self, *_: int) -> int:
            raise OSError("a pipe has no place")

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in (("w", np.arange(6.0)), ("b", np.ones(2))):
            stream = io.BytesIO()
            np.save(stream, array)
            archive.writestr(f"{name}.npy", stream.getvalue())
    return pipe.getvalue()


def keras(scale: float = 1.0) -> bytes:
    h5py = pytest.importorskip("h5py")
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        file["layers/dense/vars/0"] = np.full((2, 3), scale, np.float32)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.0.0"}))
        archive.writestr("config.json", json.dumps({"class_name": "Sequential", "config": {}}))
        archive.writestr("model.weights.h5", weights.getvalue())
    return stream.getvalue()


ARCHIVES: dict[str, Callable[[], bytes]] = {
    "npz": npz,
    "npz, compressed": lambda: npz(np.savez_compressed),
    "npz, streamed": streamed,
    "Stable-Baselines": stable_baselines,
    "Stable-Baselines, stored": lambda: stable_baselines(zipfile.ZIP_STORED),
}


def verified(path: Path, raw: bytes) -> Verification | None:
    """None where it cannot be opened."""
    path.write_bytes(raw)
    os.utime(path, (0, 0))  # a file of this moment may be about to be written
    try:
        return verify(path)
    except InputError:
        return None


def says_nothing(raw: bytes) -> dict[int, str]:
    """The bytes of an archive that carry nothing that anybody reads, and what they are."""
    found = {}
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        at = archive.start_dir
        for info in archive.infolist():
            name, extra, comment = struct.unpack_from("<3H", raw, at + 28)
            found |= dict.fromkeys(range(at + 4, at + 6), "the system that made it")
            found |= dict.fromkeys(range(at + 36, at + 42), "attributes of a file")
            at += 46 + name + extra + comment
            local = info.header_offset
            name, extra = struct.unpack_from("<2H", raw, local + 26)
            start = local + 30 + name
            found |= dict.fromkeys(range(start, start + extra), "extra field")
            if info.flag_bits & 8:
                # zeros, or the same once more, where a record behind the data says it
                found |= dict.fromkeys(range(local + 14, local + 26), "left open")
            if info.filename == "parameters" and not info.compress_type:
                inside = start + extra
                inner = says_nothing(raw[inside : inside + info.file_size])
                # a change of it is one of the member around it
                assert inner
    return found


@pytest.mark.parametrize("kind", ARCHIVES)
def test_every_bit_that_carries_something_is_noticed(tmp_path: Path, kind: str):
    """One bit of each byte of the file, another in each: not opened, damaged, or a new note."""
    raw = ARCHIVES[kind]()
    path = tmp_path / "x.zip"
    sound = verified(path, raw)
    assert sound is not None
    assert sound.passed
    assert not sound.notes or kind.startswith("Stable")
    unseen = {}
    for at in range(len(raw)):
        changed = bytearray(raw)
        changed[at] ^= 1 << (at * 5 + at // 8) % 8
        found = verified(path, bytes(changed))
        if found is not None and found.passed and found.notes == sound.notes:
            unseen[at] = changed[at]
    silent = says_nothing(raw)
    loud = {at for at in unseen if at not in silent}
    for info in zipfile.ZipFile(io.BytesIO(raw)).infolist():
        if info.compress_type:
            start = (
                info.header_offset
                + 30
                + sum(struct.unpack_from("<2H", raw, info.header_offset + 26))
            )
            data = raw[start : start + info.compress_size]
            for at in [at for at in loud if start <= at < start + len(data)]:
                changed = data[: at - start] + bytes([unseen[at]]) + data[at - start + 1 :]
                assert unpacked(changed, info.file_size) == unpacked(data, info.file_size)
                loud.remove(at)

    assert not loud, {at: raw[max(0, at - 8) : at + 8] for at in loud}
    assert len(unseen) < 0.25 * len(raw)


def unpacked(data: bytes, size: int) -> bytes:
    return zlib.decompressobj(-15).decompress(data, size)


def test_every_bit_of_every_header_is_noticed(tmp_path: Path):
    """All eight bits of each byte of the first headers, of the directory and of the end."""
    raw = stable_baselines()
    path = tmp_path / "x.zip"
    sound = verified(path, raw)
    silent = says_nothing(raw)
    directory = raw.index(b"PK\x01\x02")
    checked = 0
    for at in (*range(34), *range(directory, len(raw))):
        for bit in range(8):
            changed = bytearray(raw)
            changed[at] ^= 1 << bit
            found = verified(path, bytes(changed))
            same = found is not None and found.passed and found.notes == sound.notes
            assert not same or at in silent, (at - directory, bit)
            checked += 1

    assert checked > 1500


def test_a_bit_of_data_beside_the_parameters_is_damage(
    tmp_path: Path, lnfold: Callable[..., Outcome]
):
    """What no array is read from is read all the same, and named."""
    raw = bytearray(stable_baselines(zipfile.ZIP_STORED))
    raw[raw.index(b"gASV") + 7] ^= 4
    (tmp_path / "x.zip").write_bytes(raw)
    outcome = lnfold("verify", tmp_path / "x.zip")

    assert outcome.code == 3
    assert "its member data is damaged" in outcome.out
    assert "1 damaged" in outcome.out


@pytest.mark.parametrize("member", ["metadata.json", "config.json", "model.weights.h5"])
def test_every_member_of_a_keras_file_is_verified(tmp_path: Path, member: str):
    """One bit in the middle of each; the last byte, too."""
    raw = keras()
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        info = archive.getinfo(member)
    start = raw.index(b"PK\x03\x04", info.header_offset) + 30 + len(member)
    assert verified(tmp_path / "x.keras", raw).passed
    for at in (start, start + info.file_size // 2, start + info.file_size - 1):
        changed = bytearray(raw)
        changed[at] ^= 16
        found = verified(tmp_path / "x.keras", bytes(changed))
        assert found is None or not found.passed


@pytest.mark.parametrize("kind", ARCHIVES)
def test_a_part_that_is_cut_out_is_noticed_wherever_it_was(tmp_path: Path, kind: str):
    """96 bytes missing at the beginning, at the end, and at steps in between."""
    raw = ARCHIVES[kind]()
    cuts = [*range(0, len(raw) - 96, 31), len(raw) - 96]
    for at in cuts:
        found = verified(tmp_path / "x.zip", raw[:at] + raw[at + 96 :])
        assert found is None or not found.passed, at
    assert len(cuts) > 10


def test_bytes_that_belong_to_nothing_are_said(tmp_path: Path):
    """Before the archive, behind it, and between members; its values are sound."""
    raw = npz()
    second = raw.index(b"PK\x03\x04", 4)
    # a gap in front of the second member: everything behind it moves, and so must the places
    gap = bytearray(raw[:second] + bytes(5) + raw[second:])
    directory = gap.index(b"PK\x01\x02")
    later = gap.index(b"PK\x01\x02", directory + 4)
    gap[later + 42 : later + 46] = (second + 5).to_bytes(4, "little")
    gap[-6:-2] = directory.to_bytes(4, "little")
    for content, said in (
        (bytes(gap), "5 bytes between"),
        (raw + b"abc", "3 bytes behind the end"),
    ):
        found = verified(tmp_path / "x.npz", content)
        assert found.passed
        assert any(said in note for note in found.notes), found
    # zipfile moves all places by what stands in front; others do not, so they differ on it
    found = verified(tmp_path / "x.npz", b"PK\x03\x04" + raw)
    assert not found.passed


def test_members_that_share_bytes_are_damage(tmp_path: Path):
    """A bomb makes a thousand members of one: the directory names the first header twice."""
    raw = bytearray(npz())
    directory = raw.index(b"PK\x01\x02")
    second = raw.index(b"PK\x01\x02", directory + 4)
    one = raw[directory:second]
    both = (
        raw[:directory] + one + one.replace(b"w.npy", b"v.npy") + raw[raw.rindex(b"PK\x05\x06") :]
    )
    first = raw.index(b"w.npy")
    for name in (b"w.npy", b"v.npy"):
        both[first : first + 5] = name
        found = verified(tmp_path / "x.npz", bytes(both))
        assert found is None or not found.passed


def test_archives_of_other_writers_have_no_oddities(samples: Path, real: Path):
    """What Keras, NumPy and Stable-Baselines write is covered without a rest."""
    places = [*real.rglob("*.npz"), *real.rglob("*.zip"), *real.rglob("*.keras")]
    places += samples.rglob("*.npz")
    for path in places:
        found = verify(path)
        assert found.passed
        assert not any("belong to nothing" in note or "differ" in note for note in found.notes)
    assert len(places) > 10
