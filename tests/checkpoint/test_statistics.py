"""Statistics against NumPy's own in float64."""

from __future__ import annotations

import math
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import lnfold.checkpoint.statistics as whole_checkpoints
from lnfold.checkpoint import Variable, open_checkpoint
from lnfold.checkpoint.bytes.moments import Moments, Statistics
from lnfold.checkpoint.statistics import statistics, statistics_of
from lnfold.errors import DamagedError, UnsupportedError
from tests.checkpoint import crafting

TYPES = [np.float32, np.float64, np.float16, np.int8, np.int64, np.uint64, np.bool_]


def of(*pieces: np.ndarray) -> Statistics:
    moments = Moments()
    for piece in pieces:
        moments.add(piece)
    return moments.result()


def check(found: Statistics, array: np.ndarray) -> None:
    """Compare with NumPy; the deviation to a millionth of itself or of the values' rounding."""
    wide = array.astype(np.float64).reshape(-1)
    finite = wide[np.isfinite(wide)]
    assert found.count == wide.size
    assert found.zeros == np.count_nonzero(wide == 0)
    assert found.nans == np.count_nonzero(np.isnan(wide))
    assert found.infinities == np.count_nonzero(np.isinf(wide))
    if not finite.size:
        assert (found.minimum, found.mean, found.maximum, found.deviation) == (None,) * 4
        return
    assert float(found.minimum or 0) == finite.min()
    assert float(found.maximum or 0) == finite.max()
    with np.errstate(over="ignore"):
        deviation, mean = float(np.std(finite)), float(np.mean(finite))
    if found.deviation is None or found.mean is None or not math.isfinite(deviation):
        assert np.abs(finite).max() > 1e150
        return
    size = float(np.abs(finite).max())
    assert found.mean == pytest.approx(mean, rel=1e-6, abs=1e-6 * deviation + 1e-15 * size)
    assert found.deviation == pytest.approx(deviation, rel=2e-6, abs=1e-12 * size)


@given(
    st.sampled_from(TYPES).flatmap(
        lambda dtype: arrays.arrays(
            dtype, st.integers(0, 40), elements=arrays.from_dtype(np.dtype(dtype))
        )
    ),
    st.integers(0, 40),
)
def test_any_numbers_in_any_pieces(array: np.ndarray, cut: int):
    """Extremes, infinities and NaN included; where the pieces are cut does not matter."""
    check(of(array[:cut], array[cut:]), array)


@pytest.mark.parametrize("mean", [0.0, 1.0, -1e4, 1e7])
@pytest.mark.parametrize("size", [1, 5, 8192, 20_000, 300_000])
def test_large_means_do_not_hide_the_deviation(mean: float, size: int):
    """The values of a gamma near 1 keep a deviation of a ten-thousandth of that."""
    rng = np.random.default_rng(size)
    array = (mean + rng.standard_normal(size) * max(1, abs(mean)) * 1e-4).astype(np.float32)

    check(of(array), array)


@pytest.mark.parametrize("scale", [1e-44, 1e-30, 1e-20, 1e18, 1e30, 3e38])
def test_sizes_whose_squares_leave_float32(scale: float):
    """Squares that overflow or vanish in float32 are taken in float64."""
    array = (np.linspace(-1, 1, 1001) * scale).astype(np.float32)

    check(of(array), array)


def test_odd_values_are_counted_apart():
    """NaN and infinity do not spoil what the finite numbers say."""
    array = np.array([1, np.nan, -np.inf, 0, -0.0, 3, np.inf, np.nan], np.float32)

    assert of(array) == Statistics(8, 0.0, 1.0, 3.0, pytest.approx(math.sqrt(1.5)), 2, 2, 2)


def test_integers_keep_their_digits():
    """The extremes of int64 and uint64 are exact."""
    found = of(np.array([2**63 - 1, -(2**63)], np.int64), np.array([2**64 - 1], np.uint64))

    assert (found.minimum, found.maximum) == (-(2**63), 2**64 - 1)


def test_real_checkpoints(real: Path):
    """Every variable of every kind, against read()."""
    checked = 0
    for name in ("question_actor", "many_dtypes", "transformer_two_shards", "bert_tiny"):
        with open_checkpoint(real / name) as checkpoint:
            found = statistics(checkpoint)
            assert list(found) == list(checkpoint)
            for variable in checkpoint.values():
                result = found[variable.name]
                if variable.dtype == "string":
                    assert result is None
                else:
                    assert result is not None
                    check(result, variable.read())
                    checked += 1

    assert checked > 400


def test_fixtures_of_every_type_and_kind():
    """V1, partitions, shards, bfloat16: the same figures from pieces as from the whole."""
    checked = 0
    for folder in sorted((Path(__file__).parent / "fixtures").glob("*/")):
        if (folder / "expected.npz").exists():
            with open_checkpoint(folder) as checkpoint:
                for name, found in statistics(checkpoint).items():
                    if found is not None:
                        check(found, checkpoint[name].read())
                        checked += 1

    assert checked > 40


def big_bundle(prefix: Path, megabytes: int) -> str:
    """Float tensors of 3 MB each, and small ones between."""
    rng = np.random.default_rng(0)
    data, entries = [], {}
    offset = 0
    for number in range(megabytes // 3):
        for shape in ((768, 1024), (7,)):
            raw = rng.standard_normal(shape, np.float32).tobytes()
            name = f"layer_{number}/w{len(shape)}"
            entries[name] = crafting.entry_message(crafting.FLOAT, shape, raw, offset)
            data.append(raw)
            offset += len(raw)
    return crafting.bundle(prefix, entries, b"".join(data))


def test_progress_reaches_the_end(tmp_path: Path):
    """All bytes that are to be read, and never backwards."""
    seen: list[tuple[int, int]] = []
    with open_checkpoint(big_bundle(tmp_path / "x", 12)) as checkpoint:
        statistics(checkpoint, progress=lambda done, total: seen.append((done, total)))
        total = sum(variable.nbytes for variable in checkpoint.values())

    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_damage_is_found_on_the_way(tmp_path: Path):
    """A wrong checksum is an error naming the variable."""
    prefix = big_bundle(tmp_path / "x", 12)
    path = Path(f"{prefix}.data-00000-of-00001")
    raw = bytearray(path.read_bytes())
    raw[5_000_000] ^= 1
    path.write_bytes(raw)

    with open_checkpoint(prefix) as checkpoint, pytest.raises(DamagedError, match=r"layer_1/w2"):
        statistics(checkpoint)


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Makes small checkpoints worth a second thread; the threads that then measured something."""
    monkeypatch.setattr(whole_checkpoints, "_cores", lambda: 2)
    monkeypatch.setattr(whole_checkpoints, "_WORTH_A_THREAD", 0)
    monkeypatch.setattr(whole_checkpoints, "_BATCH_BYTES", 1)
    both_have_begun = threading.Barrier(2, timeout=60)
    seen: set[int] = set()

    def measured(variable: Variable, buffer: np.ndarray) -> Statistics:
        if threading.get_ident() not in seen:
            seen.add(threading.get_ident())
            both_have_begun.wait()
        return statistics_of(variable, buffer)

    monkeypatch.setattr(whole_checkpoints, "statistics_of", measured)
    return seen


def test_two_threads_find_what_one_finds(tmp_path: Path, two_threads: set[int]):
    """The same figures to the last digit, every variable once, and progress by the caller alone."""
    reporters = set()
    with open_checkpoint(big_bundle(tmp_path / "x", 12)) as checkpoint:
        found = statistics(
            checkpoint, progress=lambda *_: reporters.add(threading.current_thread())
        )
        one_by_one = {name: statistics_of(variable) for name, variable in checkpoint.items()}

    assert len(two_threads) == 2
    assert reporters == {threading.current_thread()}
    assert found == one_by_one
    assert list(found) == list(one_by_one)


@pytest.mark.parametrize("attempt", range(5))
def test_two_threads_report_the_damage_that_comes_first(
    tmp_path: Path, two_threads: set[int], attempt: int
):
    """Which thread is faster does not decide which of two damaged variables is named."""
    prefix = big_bundle(tmp_path / "x", 12)
    path = Path(f"{prefix}.data-00000-of-00001")
    raw = bytearray(path.read_bytes())
    raw[4_000_000] ^= 1
    raw[7_000_000] ^= 1
    path.write_bytes(raw)

    with open_checkpoint(prefix) as checkpoint, pytest.raises(DamagedError, match=r"layer_1/w2"):
        statistics(checkpoint)
    assert len(two_threads) == 2


@pytest.mark.parametrize(
    ("megabytes", "cores", "pays"), [(12, 2, False), (120, 1, False), (120, 2, True)]
)
def test_a_second_thread_needs_work_and_a_core(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, megabytes: int, cores: int, pays: bool
):
    """Small checkpoints and single cores are left to one thread."""
    monkeypatch.setattr(whole_checkpoints, "_cores", lambda: cores)
    with open_checkpoint(big_bundle(tmp_path / "x", megabytes)) as checkpoint:
        variables = list(checkpoint.values())
        total = sum(variable.nbytes for variable in variables)

    assert whole_checkpoints._second_thread_pays(variables, total) == pays


def test_what_has_no_order_has_no_statistics():
    """Text and complex numbers: None among many, an error when asked for alone."""
    checkpoint = open_checkpoint(Path(__file__).parent / "fixtures" / "dtypes")
    found = statistics(checkpoint, ["text", "complex64", "float32"])

    assert list(found) == ["text", "complex64", "float32"]
    assert found["text"] is None
    assert found["complex64"] is None
    for name in ("text", "complex64"):
        with pytest.raises(UnsupportedError):
            statistics_of(checkpoint[name])


@pytest.mark.skipif(sys.platform != "linux", reason="measures memory as Linux counts it")
def test_memory_does_not_grow_with_the_file(tmp_path: Path):
    """Statistics of 120 MB stay far below them."""
    import subprocess

    prefix = big_bundle(tmp_path / "x", 120)
    code = (
        "import re\n"
        "from lnfold.checkpoint import open_checkpoint\n"
        "from lnfold.checkpoint.statistics import statistics\n"
        f"statistics(open_checkpoint({prefix!r}))\n"
        "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert int(done.stdout) < 60_000
