"""Nothing is overwritten, left behind or half written; what can't work is refused at once."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from fractions import Fraction
from pathlib import Path

import make_clips
import pytest
import torch
from identity import copy, read

from scenivid.errors import ConfigError, OutputError, ScenividError
from scenivid.machine import aside
from scenivid.pixels import Clip
from scenivid.video.open import probe
from scenivid.video.writing.writer import WriterSettings, open_writer


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return make_clips.plain(folder / "in.mp4").path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty folder for results."""
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


def _clip(info, frames: int = 1) -> Clip:  # type: ignore[no-untyped-def]
    pixels = torch.full((frames, 3, info.height, info.width), 90, dtype=torch.uint8)
    return Clip(pixels, tuple(Fraction(n, 25) for n in range(frames)))


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "out.gif", "frames"])
def test_nothing_is_visible_under_its_name_before_it_is_complete(
    source: Path, place: Path, name: str
) -> None:
    info = probe(source)
    with open_writer(place / name, info, WriterSettings()) as writer:
        writer.write(_clip(info))
        (part,) = place.iterdir()
        assert part.name.startswith(f".{name}.") and part.name.endswith(".part")
    assert [path.name for path in place.iterdir()] == [name]


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("name", ["out.mp4", "out.mkv", "frames"])
def test_an_error_leaves_nothing_behind(
    source: Path, place: Path, name: str, kind: type[BaseException]
) -> None:
    info = probe(source)
    with pytest.raises(kind), open_writer(place / name, info, WriterSettings()) as writer:
        writer.write(_clip(info, 20))
        raise kind
    assert list(place.iterdir()) == []


def test_an_error_leaves_the_old_file_as_it_was(source: Path, place: Path) -> None:
    info = probe(source)
    old = place / "out.mp4"
    old.write_bytes(b"old")
    with pytest.raises(ValueError), open_writer(old, info, WriterSettings(overwrite=True)) as writer:
        writer.write(_clip(info))
        raise ValueError
    assert old.read_bytes() == b"old" and len(list(place.iterdir())) == 1


def test_without_frames_there_is_no_file(source: Path, place: Path) -> None:
    for name in ("out.mp4", "frames"):
        with (
            pytest.raises(OutputError, match="no frame"),
            open_writer(place / name, probe(source), WriterSettings()),
        ):
            pass
    assert list(place.iterdir()) == []


def test_an_existing_output_is_replaced_only_on_request(source: Path, place: Path) -> None:
    old = place / "out.mp4"
    old.write_bytes(b"old")
    with pytest.raises(OutputError, match=r"exists already.*--overwrite"):
        open_writer(old, probe(source), WriterSettings())
    assert old.read_bytes() == b"old"
    copy(source, old, overwrite=True)
    assert len(read(old)) == make_clips.FRAMES
    assert len(list(place.iterdir())) == 1


def test_an_output_that_appears_meanwhile_is_not_replaced(source: Path, place: Path) -> None:
    info = probe(source)
    with (
        pytest.raises(OutputError, match="appeared"),
        open_writer(place / "out.mp4", info, WriterSettings()) as writer,
    ):
        writer.write(_clip(info))
        (place / "out.mp4").write_bytes(b"somebody else's")
    assert (place / "out.mp4").read_bytes() == b"somebody else's" and len(list(place.iterdir())) == 1


@pytest.mark.parametrize("how", ["itself", "symlink", "hard link", "other spelling"])
def test_the_input_is_never_the_output(source: Path, place: Path, how: str) -> None:
    before = source.read_bytes()
    output = place / "out.mp4"
    if how == "itself":
        output = source
    elif how == "symlink":
        output.symlink_to(source)
    elif how == "hard link":
        output.hardlink_to(source)
    else:
        output = source.parent / ".." / source.parent.name / source.name
    with pytest.raises(OutputError, match="is the input itself"):
        open_writer(output, probe(source), WriterSettings(overwrite=True))
    assert source.read_bytes() == before


def test_a_link_is_followed_not_replaced(source: Path, place: Path) -> None:
    (place / "link.mp4").symlink_to(place / "real.mp4")
    copy(source, place / "link.mp4")
    assert (place / "link.mp4").is_symlink() and len(read(place / "real.mp4")) == make_clips.FRAMES


@pytest.mark.parametrize(
    ("name", "codec", "says"),
    [
        ("out.mp4", "ffv1", ".mkv"),
        ("out.mp4", "prores", ".mov"),
        ("out.webm", "h264", ".mp4"),
        ("out.gif", "h264", ".mp4"),
        ("out.mp4", "divx", "h264"),
        ("out.xyz", None, ".mkv"),
        ("out.avi", None, ".mp4"),
    ],
)
def test_a_suffix_that_does_not_fit_is_refused_and_the_way_out_named(
    source: Path, place: Path, name: str, codec: str | None, says: str
) -> None:
    with pytest.raises(OutputError) as caught:
        open_writer(place / name, probe(source), WriterSettings(codec=codec))
    assert says in str(caught.value) and "\n" not in str(caught.value)
    assert list(place.iterdir()) == []


def test_a_missing_folder_is_named(source: Path, place: Path) -> None:
    with pytest.raises(OutputError, match=r"there is no folder .*nowhere"):
        open_writer(place / "nowhere" / "out.mp4", probe(source), WriterSettings())


def test_a_file_without_a_suffix_is_not_taken_for_a_folder(source: Path, place: Path) -> None:
    (place / "notes").write_text("mine")
    with pytest.raises(OutputError, match="suffix"):
        open_writer(place / "notes", probe(source), WriterSettings(overwrite=True))
    assert (place / "notes").read_text() == "mine"


def test_a_codec_makes_no_sense_for_a_folder(source: Path, place: Path) -> None:
    with pytest.raises(ConfigError, match="no video file"):
        open_writer(place / "frames", probe(source), WriterSettings(codec="h264"))


def test_a_size_the_encoder_can_not_do_is_an_output_error(source: Path, place: Path) -> None:
    tiny = make_clips.write_clip(source.with_name("tiny.mkv"), size=(2, 2), codec="ffv1", pix_fmt="bgr0")
    with pytest.raises(OutputError, match="2x2"):
        open_writer(place / "out.mp4", probe(tiny.path), WriterSettings(codec="hevc"))
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["12:30.mp4", "concat:a.mp4", "-dash.mkv", "http:x.mp4", "file:b.mp4", "a%04d.mp4", "pipe:1.gif"]
)
def test_no_name_of_an_output_means_anything_to_ffmpeg(
    source: Path, place: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    copy(source, Path(name))
    assert [path.name for path in place.iterdir()] == [name]
    assert len(read((place / name).rename(place / f"plain{Path(name).suffix}"))) == make_clips.FRAMES


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
@pytest.mark.parametrize("name", ["out.mp4", "frames"])
def test_a_folder_without_permission_is_refused(source: Path, place: Path, name: str) -> None:
    place.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="no permission"):
            open_writer(place / name, probe(source), WriterSettings())
    finally:
        place.chmod(0o700)


@pytest.mark.parametrize(
    ("number", "says"),
    [(28, "disk is full"), (122, "disk is full"), (30, "read-only"), (13, "no permission")],
)
def test_what_the_system_says_becomes_one_clear_line(number: int, says: str) -> None:
    with pytest.raises(OutputError, match=says), aside.writing(Path("out.mp4")):
        raise OSError(number, os.strerror(number))


LIMITED = """
    import resource, sys
    from fractions import Fraction
    from pathlib import Path

    import torch

    from scenivid.errors import OutputError
    from scenivid.pixels import Clip
    from scenivid.video.open import probe
    from scenivid.video.writing.writer import WriterSettings, open_writer

    info = probe(Path({source!r}))
    noise = torch.randint(0, 256, (8, 3, info.height, info.width), dtype=torch.uint8)
    for name, crf, clips, limit in {cases!r}:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            with open_writer(Path({place!r}) / name, info, WriterSettings(crf=crf)) as writer:
                for n in range(clips):
                    writer.write(Clip(noise, tuple(Fraction(8 * n + k, 25) for k in range(8))))
        except OutputError as exc:
            print(name, "OutputError:", exc)
"""
CASES = [
    ("out.mp4", 4, 12, 50_000),  # while encoding
    ("out.mkv", 4, 12, 50_000),
    ("short.mp4", 4, 1, 6_000),  # while finishing
    ("out.gif", None, 2, 9_000),
    ("frames", None, 1, 9_000),
]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no file size limits there")
def test_a_full_disk_is_one_line_and_leaves_nothing(source: Path, place: Path) -> None:
    """In a process of its own, in which files can't grow beyond a limit."""
    program = textwrap.dedent(LIMITED).format(source=str(source), place=str(place), cases=CASES)
    words = [sys.executable, "-c", program]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split(" ")[:2] for line in lines] == [[name, "OutputError:"] for name, *_ in CASES]
    assert all("limit of the disk" in line for line in lines)
    assert list(place.iterdir()) == []


def test_the_wrong_size_is_our_own_mistake_and_said_so(source: Path, place: Path) -> None:
    info = probe(source)
    with (
        pytest.raises(ValueError, match="expected"),
        open_writer(place / "out.mp4", info, WriterSettings()) as writer,
    ):
        writer.write(Clip(torch.zeros((1, 3, 8, 8), dtype=torch.uint8), (Fraction(0),)))
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_encoders_are_silent(
    source: Path, place: Path, codec: str, capfd: pytest.CaptureFixture[str]
) -> None:
    copy(source, place / "out.mp4", codec=codec)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("maker", [make_clips.damaged, make_clips.truncated])
def test_a_damaged_source_leaves_no_output(tmp_path: Path, place: Path, maker) -> None:  # type: ignore[no-untyped-def]
    made = maker(tmp_path / "bad.mp4")
    with pytest.raises(ScenividError):
        copy(made.path, place / "out.mp4")
    assert list(place.iterdir()) == []
