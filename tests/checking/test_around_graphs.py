"""Two graphs around an operation that is not run, through their files and the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest


def written(tensorflow: Any, folder: Path, *, reverse: bool) -> Path:
    """A dense layer behind a cumulative sum, which lnfold does not run."""
    v1 = tensorflow.compat.v1
    with v1.Graph().as_default():
        x = v1.placeholder("float32", [None, 4], "obs")
        summed = v1.cumsum(x, axis=1, reverse=reverse)
        kernel = v1.get_variable(
            "pi/kernel",
            initializer=np.float32(np.arange(12).reshape(4, 3) / 10),
            use_resource=False,
        )
        v1.tanh(v1.matmul(summed, kernel), name="pi/out")
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            return Path(v1.train.Saver().save(session, str(folder / "m.ckpt")))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_graphs_that_differ_where_nothing_is_run_are_not_said_to_agree(
    tensorflow: Any, tmp_path: Path, lnfold: Any
) -> None:
    """Another attribute of what is left out is cannot tell; the same graph agrees around it."""
    made = [
        written(tensorflow, tmp_path / name, reverse=reverse)
        for name, reverse in (("a", False), ("b", True), ("c", False))
    ]
    other = lnfold("check", made[0], made[1])
    same = lnfold("check", made[0], made[2])
    alone = lnfold("check", made[0])

    assert (other.code, same.code, alone.code) == (4, 0, 4)
    assert "cannot tell" in other.out
    assert "has other numbers in B" in " ".join(other.out.split())
    assert "agrees around what is not run" in same.out
    assert "agrees around what is not run" in alone.out
