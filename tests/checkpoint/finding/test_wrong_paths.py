"""What is no checkpoint is refused with what it is and with what to do."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lnfold.checkpoint import open_checkpoint
from lnfold.errors import InputError
from tests.checkpoint import crafting

ACCEPTED = "by its prefix"


def _bundle(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    raw = b"\0\0\0\0"
    return Path(
        crafting.bundle(
            folder / "model-7", {"w": crafting.entry_message(crafting.FLOAT, [1], raw)}, raw
        )
    )


def _without_index(folder: Path) -> Path:
    os.remove(f"{_bundle(folder)}.index")
    return folder


def _only_data(folder: Path) -> Path:
    return _without_index(folder) / "model-7.data-00000-of-00001"


def _only_graph(folder: Path) -> Path:
    (folder / "model-7.meta").write_bytes(b"x")
    return folder / "model-7.meta"


def _folder_of(*names: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        for name in names:
            (folder / name).write_text("hello")
        return folder

    return make


def _file_of(content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "file").write_bytes(content)
        return folder / "file"

    return make


def _zip_without_arrays(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("a.txt", "hello")
    return folder / "a.zip"


def _state_naming(target: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "checkpoint").write_text(f'model_checkpoint_path: "{target}"\n')
        return folder

    return make


def _link_to(target: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "link").symlink_to(target)
        return folder / "link"

    return make


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


WRONG: dict[str, tuple[Callable[[Path], Path | str], str]] = {
    "nothing there": (lambda folder: _bundle(folder).parent / "other", "Did you mean .*model-7"),
    "nothing near": (lambda folder: _file_of(b"")(folder).parent / "z", "holds file.*" + ACCEPTED),
    "no such folder": (lambda folder: folder / "no" / "model", "does not exist.*" + ACCEPTED),
    "no path": (lambda _: "", ACCEPTED),
    "an address": (lambda _: "gs://bucket/model", "Download"),
    "a pattern": (lambda folder: folder / "model*", r"\* and \? too"),
    "an empty folder": (lambda folder: folder, "is empty.*" + ACCEPTED),
    "a folder of other files": (_folder_of("a.txt", "b.py"), "holds a.txt, b.py.*" + ACCEPTED),
    "data without an index": (_only_data, "Copy the .index file"),
    "a folder of data": (_without_index, "copy that too"),
    "a graph alone": (_only_graph, "Copy the .index file"),
    "a folder with a graph": (lambda folder: _only_graph(folder).parent, "copy that too"),
    "text": (_file_of(b"hello\n"), ACCEPTED),
    "nothing in it": (_file_of(b""), "copy it again"),
    "zeros": (_file_of(bytes(4096)), "copy it again"),
    "an image": (_file_of(b"\x89PNG\r\n\x1a\n" + bytes(99)), ACCEPTED),
    "compressed": (_file_of(b"\x1f\x8b\x08" + bytes(99)), "Unpack"),
    "a pickle": (_file_of(b"\x80\x04K\x01."), "numpy.savez"),
    "safetensors": (_file_of(b"\x10" + bytes(7) + b'{"a":{}}'.ljust(16)), "Keras"),
    "a zip without arrays": (_zip_without_arrays, "unpack it first"),
    "a state that names nothing": (_state_naming("gone"), "Copy the .index"),
    "a state that leads out": (_state_naming("../../gone"), "Copy the .index"),
    "another step": (lambda folder: f"{_bundle(folder)}?step", "holds model-7"),
    "a broken link": (_link_to("nowhere"), "mend the link"),
    "a link to itself": (_link_to("link"), "Check the path"),
    "a pipe": (_pipe, "into a file first"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_every_wrong_path_has_a_remedy(tmp_path: Path, kind: str):
    """One sentence of what is wrong, and one of what to do; exit code 3."""
    make, expected = WRONG[kind]
    if sys.platform == "win32" and ("link" in kind or kind in ("a pipe", "a pattern")):
        pytest.skip("needs links, pipes or names that Windows does not have")
    path = make(tmp_path)
    step = None
    if str(path).endswith("?step"):
        path, step = str(path).removesuffix("?step"), 8

    with pytest.raises(InputError, match=f"(?s){expected}") as caught:
        open_checkpoint(path, step=step)
    assert caught.value.remedy
    assert caught.value.exit_code == 3


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything"
)
def test_a_folder_that_may_not_be_entered(tmp_path: Path):
    """A missing permission is not mistaken for a missing file."""
    prefix = _bundle(tmp_path / "closed")
    (tmp_path / "closed").chmod(0)
    try:
        for path in (prefix, tmp_path / "closed"):
            with pytest.raises(InputError, match="permission") as caught:
                open_checkpoint(path)
            assert caught.value.remedy
    finally:
        (tmp_path / "closed").chmod(0o700)
        shutil.rmtree(tmp_path / "closed")
