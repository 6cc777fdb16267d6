# SPDX-License-Identifier: Apache-2.0
"""Which recordings are meant, and where their results go."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harken.cli.inputs import Recording, find
from harken.cli.outputs import plan, write
from harken.errors import InvalidOption, NotMedia


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def named(*names: str) -> list[Recording]:
    return [Recording(name, Path(name)) for name in names]


def test_files_come_in_order_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [item.name for item in find(["b.mp3", "a.mp3", "./b.mp3"])] == ["b.mp3", "a.mp3"]


def test_a_folder_is_the_media_below_it(tmp_path: Path) -> None:
    touch(*(tmp_path / name for name in ("b.WAV", "a.mp3", "notes.txt", ".hidden.mp3", ".git/x.mp3", "deep/er/c.mkv")))
    found = [item.path.relative_to(tmp_path).as_posix() for item in find([str(tmp_path)]) if item.path is not None]
    assert found == ["a.mp3", "b.WAV", "deep/er/c.mkv"]


def test_a_folder_without_media_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="no media files"):
        find([str(tmp_path)])


def test_what_is_not_there_is_told_when_its_turn_comes(tmp_path: Path) -> None:
    missing = find([str(tmp_path / "gone.mp3")])[0]
    with pytest.raises(NotMedia, match="no such file"):
        missing.source()


def test_results_are_named_after_the_recording() -> None:
    assert plan(named("x/talk.mp3"), Path("out"), ["srt", "txt"]) == [
        {"srt": Path("out/talk.srt"), "txt": Path("out/talk.txt")}
    ]
    assert plan([Recording("stdin", None)], Path(), ["txt"]) == [{"txt": Path("stdin.txt")}]


def test_equal_names_are_kept_apart() -> None:
    planned = plan(named("a.mp3", "a.wav", "x/A.wav", "b.mp3"), Path("out"), ["srt"])
    assert [paths["srt"].name for paths in planned] == ["a.mp3.srt", "a.wav.srt", "A.wav-2.srt", "b.srt"]


def test_a_recording_is_never_written_over() -> None:
    planned = plan(named("talk.json", "other.srt"), Path(), ["json", "srt"])
    assert [[path.name for path in paths.values()] for paths in planned] == [
        ["talk.json.json", "talk.json.srt"],
        ["other.srt.json", "other.srt.srt"],
    ]


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            lambda folder, stem, suffix: f"{folder}{stem}{suffix}",
            st.sampled_from(["", "x/", "y/"]),
            st.sampled_from(["a", "A", "b", "a.mp3", "a.mp3-2"]),
            st.sampled_from(["", ".mp3", ".srt", ".txt"]),
        ),
        unique=True,
        max_size=12,
    )
)
def test_no_result_is_another_ones_nor_a_recording(names: list[str]) -> None:
    planned = plan(named(*names), Path(), ["srt", "txt"])
    keys = [str(path.resolve()).casefold() for paths in planned for path in paths.values()]
    assert len(planned) == len(names)
    assert len(keys) == len(set(keys)) == 2 * len(names)
    assert not set(keys) & {str(Path(name).resolve()).casefold() for name in names}


def test_a_result_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.srt"
    write(path, "Grüße\n")
    write(path, "again\n")
    assert path.read_bytes() == b"again\n"
    assert list(path.parent.iterdir()) == [path]


def test_a_result_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    write(path, "old\n")
    with pytest.raises(UnicodeEncodeError):
        write(path, "new \udcff\n")
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]
