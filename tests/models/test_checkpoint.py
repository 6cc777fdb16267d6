# SPDX-License-Identifier: Apache-2.0
"""What is read out of a PyTorch checkpoint, and that nothing else in it is done."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from harken.models.checkpoint import BadCheckpoint, read

REBUILD = ("torch._utils", "_rebuild_tensor_v2")


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def group(*parts: bytes) -> bytes:
    return b"(" + b"".join(parts) + b"t"


def storage(key: str, count: int, kind: bytes = name("torch", "FloatStorage"), tag: str = "storage") -> bytes:
    return group(text(tag), kind, text(key), text("cpu"), number(count)) + b"Q"


def tensor(numbers: bytes, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> bytes:
    hooks = name("collections", "OrderedDict") + b")R"
    sizes, steps = (group(*map(number, values)) for values in (shape, strides))
    return name(*REBUILD) + group(numbers, number(offset), sizes, steps, b"\x89", hooks) + b"R"


def table(**tensors: bytes) -> bytes:
    return b"\x80\x02}(" + b"".join(text(key) + value for key, value in tensors.items()) + b"u."


def archive(path: Path, pickled: bytes, numbers: Mapping[str, bytes] | None = None) -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("archive/data.pkl", pickled)
        for key, data in (numbers or {}).items():
            packed.writestr(f"archive/data/{key}", data)
    return path


SIX = np.arange(6, dtype="<f4")


def test_tensors_are_read_as_torch_strides_them(tmp_path: Path) -> None:
    whole = np.array([7], "<i8")
    path = archive(
        tmp_path / "good.pt",
        table(
            plain=tensor(storage("0", 6), (2, 3), (3, 1)),
            turned=tensor(storage("0", 6), (3, 2), (1, 3)),
            part=tensor(storage("0", 6), (2,), (2,), offset=1),
            scalar=tensor(storage("1", 1, name("torch", "LongStorage")), (), ()),
        ),
        {"0": SIX.tobytes(), "1": whole.tobytes()},
    )
    found = read(path)
    assert found["plain"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["turned"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert found["part"].tolist() == [1, 3]
    assert (found["scalar"].dtype, found["scalar"].tolist()) == (np.int64, 7)


@pytest.mark.parametrize(
    ("module", "attribute"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("torch", "load"),
        ("torch._utils", "_rebuild_tensor"),
        ("collections", "deque"),
        ("numpy", "load"),
        ("harken.models.checkpoint", "read"),
    ],
)
def test_a_pickle_may_call_nothing_else(tmp_path: Path, module: str, attribute: str) -> None:
    trace = tmp_path / "trace"
    call = name(module, attribute) + group(text(f"touch {trace}")) + b"R"
    with pytest.raises(BadCheckpoint, match=f"may not name {module}.{attribute}"):
        read(archive(tmp_path / "bad.pt", table(weight=call)))
    assert not trace.exists()


@pytest.mark.parametrize(
    ("pickled", "says"),
    [
        (table(w=tensor(storage("0", 7), (7,), (1,))), "24 bytes for 7 numbers"),
        (table(w=tensor(storage("0", 6), (7,), (1,))), "beyond its storage"),
        (table(w=tensor(storage("0", 6), (2, 3), (4, 1))), "beyond its storage"),
        (table(w=tensor(storage("0", 6), (2,), (1,), offset=5)), "beyond its storage"),
        (table(w=tensor(storage("0", 6), (2,), (-1,), offset=3)), "negative"),
        (table(w=tensor(storage("0", 6), (2,), (1,), offset=-2)), "negative"),
        (table(w=tensor(storage("0", 6), (2,), (1, 1))), "without numbers"),
        (table(w=tensor(text("numbers"), (2,), (1,))), "without numbers"),
        (table(w=tensor(storage("0", 6, tag="module"), (6,), (1,))), "may not refer to 'module'"),
        (table(w=tensor(storage("0", 6, kind=text("float")), (6,), (1,))), "may not refer"),
        (table(w=tensor(storage("../../etc/passwd", 6), (6,), (1,))), "no checkpoint that can be read"),
        (table(w=number(1)), "something else than a table"),
        (b"\x80\x02K\x01.", "something else than a table"),
        (b"", "no checkpoint that can be read"),
        (table(w=tensor(storage("0", 6), (6,), (1,)))[:-20], "no checkpoint that can be read"),
    ],
)
def test_what_is_no_table_of_tensors(tmp_path: Path, pickled: bytes, says: str) -> None:
    with pytest.raises(BadCheckpoint, match=says):
        read(archive(tmp_path / "bad.pt", pickled, {"0": SIX.tobytes()}))


def test_what_is_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "bad.pt"
    path.write_bytes(b"no archive" * 100)
    with pytest.raises(BadCheckpoint, match="no checkpoint that can be read"):
        read(path)
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("readme", "hello")
    with pytest.raises(BadCheckpoint, match="0 tables"):
        read(path)
    whole = archive(path, table(w=tensor(storage("0", 6), (6,), (1,))), {"0": SIX.tobytes()}).read_bytes()
    path.write_bytes(whole.replace(SIX.tobytes(), SIX[::-1].tobytes()))
    with pytest.raises(BadCheckpoint, match="CRC"):
        read(path)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "absent.pt")
