"""What may be stylized, and that nothing else can be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_runs import make_clip

from scenivid.errors import InputError
from scenivid.ui.place import clean_name
from scenivid.ui.studio import Studio


@pytest.fixture
def named(studio: Studio) -> Path:
    """The folder whose files may be named."""
    return studio.sources.folders[0]


def test_a_file_below_a_named_folder_is_found_by_its_path_and_by_its_name(
    studio: Studio, named: Path
) -> None:
    (named / "deep").mkdir()
    clip = make_clip(named / "deep" / "in.mkv")
    for name in (str(clip), "deep/in.mkv"):
        found = studio.sources.find("me", name)
        assert (found.path, found.width, found.height, found.still) == (clip, 96, 64, False)


@pytest.mark.parametrize(
    "name",
    ["../out.mkv", "deep/../../out.mkv", "/etc/passwd", "link/out.mkv", "link.mkv", "nothing.mkv", "..", "\0",
     "~", "file:///etc/passwd", "concat:/etc/passwd", "http://127.0.0.1/", "-", "a" * 5000],
)  # fmt: skip
def test_nothing_else_is_read_and_nobody_learns_whether_it_is_there(
    name: str, studio: Studio, named: Path, tmp_path: Path
) -> None:
    outside = make_clip(tmp_path / "out.mkv")
    (named / "link.mkv").symlink_to(outside)
    (named / "link").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(InputError, match=r"no such file below|name a file"):
        studio.sources.find("me", name)


def test_without_folders_no_path_is_read(studio: Studio, tmp_path: Path) -> None:
    object.__setattr__(studio.sources, "folders", ())
    with pytest.raises(InputError, match="--folder"):
        studio.sources.find("me", str(make_clip(tmp_path / "in.mkv")))


def test_an_upload_belongs_to_who_brought_it(studio: Studio, clip: Path) -> None:
    name, part = studio.sources.begin_upload("one", "../../evil name?.mkv")
    part.write_bytes(clip.read_bytes())
    found = studio.sources.finish_upload("one", name, part)
    assert found.title == "evil name_.mkv" and studio.place.uploads("one") in found.path.parents
    assert studio.sources.find("one", name) == found
    for stranger, asked in (("other", name), ("one", "upload:../one"), ("one", "upload:" + "0" * 16)):
        with pytest.raises(InputError, match="upload it first"):
            studio.sources.find(stranger, asked)


def test_of_what_is_no_video_nothing_is_kept(studio: Studio) -> None:
    name, part = studio.sources.begin_upload("me", "notes.mp4")
    part.write_text("This is a text file.")
    with pytest.raises(InputError, match=r"^notes\.mp4: not a video file"):
        studio.sources.finish_upload("me", name, part)
    assert not list(studio.place.uploads("me").iterdir())


@pytest.mark.parametrize("text", ["#EXTM3U\n/etc/passwd\n", "ffconcat version 1.0\nfile /etc/passwd\n"])
def test_a_playlist_that_names_other_files_is_refused(text: str, studio: Studio) -> None:
    name, part = studio.sources.begin_upload("me", "list.mp4")
    part.write_text(text)
    with pytest.raises(InputError, match="playlist"):
        studio.sources.finish_upload("me", name, part)


def test_names_lose_what_a_file_system_or_a_terminal_obeys() -> None:
    assert clean_name("a/b\\c.mp4") == "c.mp4"
    assert clean_name("\x1b[31mred\n.mp4") == "_[31mred_.mp4"
    assert clean_name("...") == clean_name("") == "unnamed"
    assert len(clean_name("ü" * 500 + ".mp4").encode()) < 140
