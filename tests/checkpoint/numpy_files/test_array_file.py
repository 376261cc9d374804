"""Files of arrays that people give: read whole, or refused in one sentence with its remedy."""

from __future__ import annotations

import io
import os
import pickle
import signal
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lnfold.checkpoint.numpy_files.array_file import holds_array, read_arrays
from lnfold.errors import DamagedError, InputError, LnfoldError, UsageError
from tests.conftest import Outcome

NUMBERS = np.arange(12, dtype=np.float32).reshape(3, 4)


def npy(array: np.ndarray, **options: bool) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def npz(**named: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **named)
    return stream.getvalue()


def header(text: str, data: bytes = b"") -> bytes:
    """An ``.npy`` whose header says what ``text`` says."""
    padded = text.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + data


def described(descr: str, shape: str = "(1,)", data: bytes = bytes(8)) -> bytes:
    return header(f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}}}", data)


@contextmanager
def in_a_moment(seconds: float = 20) -> Iterator[None]:
    """AssertionError where the block still waits after some seconds."""

    def stop(*_: object) -> None:
        raise AssertionError(f"it still waits after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", ["f2", "<f4", ">f8", "i1", ">i4", "u8", "?"])
def test_numbers_come_back_as_numpy_reads_them(tmp_path: Path, save, dtype: str):
    """Types, orders of bytes and of dimensions; from .npz, compressed or not, and from .npy."""
    wanted = {"a/b:0": NUMBERS.astype(dtype), "f": np.asfortranarray(NUMBERS.astype(dtype))}
    save(tmp_path / "x.npz", **wanted)
    np.save(tmp_path / "x.npy", wanted["f"])
    found = read_arrays(tmp_path / "x.npz", "only")

    assert found.keys() == wanted.keys()
    for name, array in [*found.items(), ("f", read_arrays(tmp_path / "x.npy", "only")["only"])]:
        np.testing.assert_array_equal(array, wanted[name], strict=dtype[0] != ">")


@given(arrays.arrays(st.sampled_from(["f4", "i8", "?"]), arrays.array_shapes(min_dims=0)))
@settings(max_examples=60)
def test_any_array_of_numbers_comes_back(tmp_path_factory, array: np.ndarray):
    """Of any shape, a single number included."""
    path = tmp_path_factory.mktemp("any") / "x.npy"
    np.save(path, array)

    np.testing.assert_array_equal(read_arrays(path, "only")["only"], array, strict=True)


def test_bfloat16_becomes_float32(tmp_path: Path):
    """What NumPy stores as two bytes of no kind is what every program writes for bfloat16."""
    from ml_dtypes import bfloat16

    np.savez(tmp_path / "x.npz", a=NUMBERS.astype(bfloat16))

    np.testing.assert_array_equal(read_arrays(tmp_path / "x.npz", "")["a"], NUMBERS, strict=True)


UNUSABLE = {
    "objects": npy(np.array([{}, 1], object), allow_pickle=True),
    "objects in npz": npz(o=np.array([{}], object)),
    "a pickle": pickle.dumps(NUMBERS),
    "a pickle as a member": None,
    "complex": npy(np.ones(2, complex)),
    "text": npz(a=NUMBERS, t=np.array(["left", "right"])),
    "bytes": npy(np.array([b"x"])),
    "dates": npy(np.array(["2020-01-01"], "M8[D]")),
    "records": npy(np.zeros(2, [("a", "f4")])),
    "no type of NumPy's": described("Zf4"),
    "text of no type": described("?S4"),
    "text longer than NumPy can": described("<U999999999", "(0,)", b""),
    "JSON": b'{"inputs": [1, 2]}',
    "CSV": b"1,2\n3,4\n",
    "nothing": b"",
    "zeros": bytes(100),
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "a zip of something else": None,
    "an empty zip": b"PK\x05\x06" + bytes(18),
}
DAMAGED = {
    "cut": npy(NUMBERS)[:-8],
    "cut in the header": npy(NUMBERS)[:40],
    "too long": npy(NUMBERS) + bytes(8),
    "zip cut": npz(a=NUMBERS)[:-30],
    "another shape": described("<f4", "(1 << 60,)"),
    "a huge shape": described("<f4", f"({1 << 62},)"),
    "more numbers than bytes can count": described("<f4", f"({(1 << 63) - 1}, 4)"),
    "a negative shape": described("<f4", "(-1,)"),
    "a shape of truths": described("<f4", "(True, 2)"),
    "a shape of many axes": described("<f8", f"({'1, ' * 60})"),
    "a header that is no literal": header("__import__('os').abort()"),
    "another header": header("{'descr': '<f4'}"),
    "an unknown version": b"\x93NUMPY\x09" + npy(NUMBERS)[7:],
}


def zip_of(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


UNUSABLE["a pickle as a member"] = zip_of(**{"a.npy": pickle.dumps([1.0])})
UNUSABLE["a zip of something else"] = zip_of(**{"readme.txt": b"hello"})


@pytest.mark.parametrize(
    ("content", "kind"),
    [(one, UsageError) for one in UNUSABLE.values()]
    + [(one, DamagedError) for one in DAMAGED.values()],
    ids=[*UNUSABLE, *DAMAGED],
)
def test_what_holds_no_numbers_is_refused(tmp_path: Path, content: bytes, kind: type[LnfoldError]):
    """What another file would mend is wrong usage, what contradicts itself is damaged input."""
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    os.utime(path, (0, 0))  # a file of this moment may be about to be written
    with pytest.raises(kind) as refused:
        read_arrays(path, "inputs")

    assert refused.value.file == str(path)
    assert refused.value.remedy
    assert refused.value.exit_code == (2 if kind is UsageError else 3)


def test_a_member_that_is_encrypted_or_changed_is_damaged(tmp_path: Path):
    """The flag of encryption, and one bit of the values: the member is named."""
    raw = npz(a=NUMBERS)
    changed = bytearray(raw)
    changed[raw.index(b"\x93NUMPY") + 140] ^= 1
    encrypted = bytearray(raw)
    encrypted[6] |= 1
    encrypted[raw.index(b"PK\x01\x02") + 8] |= 1
    for content in (changed, encrypted):
        path = tmp_path / "x.npz"
        path.write_bytes(content)
        os.utime(path, (0, 0))
        with pytest.raises(DamagedError, match=r"a\.npy"):
            read_arrays(path, "inputs")


def test_many_members_that_each_unpack_within_the_limit_are_refused_together(tmp_path: Path):
    """A thousand times 60 MB in a megabyte is refused before memory grows."""
    size = 60 << 20
    content = described("|u1", f"({size},)", b"")
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            with archive.open(f"a{number}.npy", "w") as member:
                member.write(content)
                for _ in range(60):
                    member.write(bytes(1 << 20))
    tracemalloc.start()
    with pytest.raises(UsageError, match="together"):
        read_arrays(path, "inputs")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 4 << 20


def options(checkpoint: Path, path: Path) -> list[list[object]]:
    """Every way to give a command a file of arrays."""
    return [
        ["inspect", checkpoint, "--inputs", path],
        ["inspect", checkpoint, "--expected", path],
        ["inspect", checkpoint, "--examples", path],
        ["inspect", checkpoint, "--box-file", path],
        ["explain", checkpoint, "--inputs", path],
        ["explain", checkpoint, "--box-file", path],
        ["fold", checkpoint, "--inputs", path],
        ["fold", checkpoint, "--approximate", "frozen-deviation", "--inputs", path],
        ["check", checkpoint, "--inputs", path],
        ["check", checkpoint, path],
        ["check", path],
        ["graph", checkpoint, "--examples", path],
    ]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_no_command_waits_for_a_pipe_or_reads_a_device(
    tmp_path: Path, samples: Path, lnfold: Callable[..., Outcome]
):
    """A FIFO, /dev/zero and a folder in the place of any file end in one sentence at once."""
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "zeros.npz").symlink_to("/dev/zero")
    places = [tmp_path / name for name in ("pipe.npz", "zeros.npz", "folder.npz")]
    pipe, *others = (options(samples / "cartpole_actor", place) for place in places)
    # one command of each way to read: the others were told from the pipe alone
    cases = [*pipe, *(arguments for commands in others for arguments in commands[8:11])]
    for arguments in cases:
        with in_a_moment():
            outcome = lnfold(*arguments)

        # the checkpoint itself is no side file: there an unreadable one has exit code 3
        assert outcome.code == (3 if arguments[1] == arguments[-1] else 2), (arguments, outcome)
        assert outcome.err.count("lnfold: ") == 1
        assert "Traceback" not in outcome.err
    assert len(cases) == 12 + 2 * 3


def test_every_option_refuses_what_holds_no_numbers(
    tmp_path: Path, samples: Path, lnfold: Callable[..., Outcome]
):
    """Objects and a file that was cut: the exit codes of wrong usage and of damage."""
    path = tmp_path / "x.npz"
    every = options(samples / "cartpole_actor", path)
    commands = [arguments for arguments in every if arguments[1] != path]
    told = ((UNUSABLE["objects in npz"], 2, commands[::3]), (DAMAGED["zip cut"], 3, commands))
    for content, code, some in told:
        path.write_bytes(content)
        os.utime(path, (0, 0))
        for arguments in some:
            outcome = lnfold(*arguments)

            assert outcome.code == code, (arguments, outcome)
            assert "Traceback" not in outcome.err
    assert len(commands) == 11


def test_a_missing_file_is_wrong_usage(tmp_path: Path):
    """The path as it was given is in the sentence."""
    with pytest.raises(UsageError, match=r"gone\.npz does not exist"):
        read_arrays(tmp_path / "gone.npz", "inputs")


@given(st.data())
@settings(max_examples=300)
def test_no_change_of_a_byte_or_two_goes_unseen(tmp_path_factory, data: st.DataObject):
    """Of an archive: an error of ours, or the same arrays."""
    raw = bytearray(npz(a=NUMBERS, b=np.ones(3, np.int64)))
    for _ in range(data.draw(st.integers(1, 2))):
        raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("flipped") / "x.npz"
    path.write_bytes(raw)
    os.utime(path, (0, 0))
    try:
        found = read_arrays(path, "inputs")
    except (UsageError, InputError):
        return
    # a name is no content: the directory's and the header's may be changed alike
    wanted = [repr(NUMBERS.tolist()), repr([1, 1, 1])]
    assert sorted(repr(array.tolist()) for array in found.values()) == sorted(wanted)


def test_holding_an_array_is_asked_without_an_error(tmp_path: Path):
    """Whatever the file is: an answer."""
    path = tmp_path / "x.npz"
    for content in (*UNUSABLE.values(), *DAMAGED.values()):
        path.write_bytes(content)
        os.utime(path, (0, 0))
        assert not holds_array(path, "manifest")
    path.write_bytes(npz(manifest=NUMBERS))

    assert holds_array(path, "manifest")
    assert not holds_array(tmp_path, "manifest")
