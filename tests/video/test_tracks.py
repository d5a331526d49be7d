"""Sound, subtitles, covers and timecode arrive in every container; bad packets cost only themselves."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import make_clips
import numpy as np
import pytest
from av.error import FFmpegError
from av.stream import Disposition
from identity import copy, packets, read
from make_clips import Sound, write_clip

from scenivid.video.writing.tracks.copied import CopiedTrack
from scenivid.video.writing.tracks.timecode import later
from scenivid.video.writing.tracks.window import Window


def _remuxed(
    source: Path,
    path: Path,
    change: Callable[[av.Packet[Any]], int] = lambda packet: 1,
    metadata: dict[str, str] | None = None,
) -> Path:
    """The same tracks in another file; each packet is written as many times as `change` says."""
    with av.open(str(source)) as one, av.open(str(path), "w") as other:
        tracks = {s.index: other.add_stream_from_template(s, opaque=True) for s in one.streams}
        tracks[0].metadata.update(metadata or {})
        for packet in one.demux():
            if packet.size:
                times = change(packet)
                packet.stream = tracks[packet.stream.index]
                for _ in range(times):
                    other.mux(packet)
    return path


def _tone(path: Path) -> tuple[np.ndarray, int, Fraction]:  # type: ignore[type-arg]
    """Samples [channels, T] of the sound, its rate, and when it begins in seconds."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    resampler = av.AudioResampler("fltp")
    samples = [piece.to_ndarray() for frame in frames for piece in resampler.resample(frame)]
    return np.concatenate(samples, axis=1), frames[0].sample_rate, frames[0].pts * frames[0].time_base


def _click(path: Path, codec: str, suffix: str, at: float = 0.5, **more: Any) -> Path:
    """A clip of 1 s with a click in otherwise silent sound."""
    made = write_clip(path.with_name(f"plain{suffix}"), ticks=tuple(range(25)), matrix=1)
    rate = more.pop("rate_hz", 44100)
    layout = more.pop("layout", "mono")
    with av.open(str(made.path)) as one, av.open(str(path), "w") as other:
        picture = other.add_stream_from_template(one.streams.video[0])
        sound = other.add_stream(codec, rate=rate, layout=layout)
        size = 1024
        for start in range(0, rate, size):
            wave = np.zeros((1, size), np.float32)
            first = round(at * rate)
            if start <= first < start + size:
                wave[0, first - start] = 0.9
            data = np.tile(wave, (sound.layout.nb_channels, 1))
            frame = av.AudioFrame.from_ndarray(data, "fltp", layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            for piece in av.AudioResampler(sound.format, layout, rate).resample(frame):
                other.mux(sound.encode(piece))
        other.mux(sound.encode())
        for packet in one.demux():
            if packet.size:
                packet.stream = picture
                other.mux(packet)
    return path


@pytest.mark.parametrize(
    ("codec", "source", "output", "becomes"),
    [
        ("adpcm_ima_wav", ".avi", ".mp4", "aac"),
        ("pcm_u8", ".mkv", ".mp4", "aac"),
        ("mp2", ".mkv", ".webm", "opus"),
        ("pcm_alaw", ".avi", ".mp4", "aac"),
        ("pcm_s16le", ".mkv", ".webm", "opus"),
        ("aac", ".mp4", ".webm", "opus"),
        ("flac", ".mkv", ".mov", "aac"),
        ("adpcm_ima_wav", ".avi", ".mkv", "aac"),
    ],
)
def test_sound_that_does_not_fit_is_encoded_in_step_with_the_picture(
    tmp_path: Path, codec: str, source: str, output: str, becomes: str
) -> None:
    made = _click(tmp_path / f"in{source}", codec, source)
    notes = copy(made, tmp_path / f"out{output}")
    (said,) = [note for note in notes if "audio track" in note]
    assert f"was encoded as {'Opus' if becomes == 'opus' else 'AAC'}: {output} can't hold" in said
    with av.open(str(tmp_path / f"out{output}")) as container:
        assert container.streams.audio[0].codec_context.codec.canonical_name == becomes
    (before, rate, begin), (after, new_rate, start) = _tone(made), _tone(tmp_path / f"out{output}")
    where = begin + Fraction(int(np.abs(before[0]).argmax()), rate)
    found = start + Fraction(int(np.abs(after[0]).argmax()), new_rate)
    assert abs(where - found) < Fraction(5, 1000)
    assert abs(after.shape[1] / new_rate - before.shape[1] / rate) < 0.1


def test_encoded_sound_is_cut_with_the_picture(tmp_path: Path) -> None:
    made = _click(tmp_path / "in.mkv", "pcm_u8", ".mkv", at=0.6)
    copy(made, tmp_path / "out.mp4", start=Fraction(10, 25), duration=Fraction(10, 25))
    samples, rate, start = _tone(tmp_path / "out.mp4")
    assert abs(float(start) + np.abs(samples[0]).argmax() / rate - 0.2) < 0.005
    assert abs(samples.shape[1] / rate - 0.4) < 0.05


@pytest.mark.parametrize("layout", ["5.1(side)", "6.1", "quad", "stereo"])
def test_encoded_sound_keeps_its_channels(tmp_path: Path, layout: str) -> None:
    made = write_clip(tmp_path / "in.mkv", sounds=(Sound(codec="flac", layout=layout),), matrix=1)
    copy(made.path, tmp_path / "out.webm")
    with av.open(str(made.path)) as one, av.open(str(tmp_path / "out.webm")) as other:
        assert other.streams.audio[0].channels == one.streams.audio[0].channels


def test_a_gap_in_encoded_sound_becomes_silence(tmp_path: Path) -> None:
    made = _click(tmp_path / "plain.mkv", "pcm_u8", ".mkv", at=0.9)

    def thin(packet: av.Packet[Any]) -> int:
        time = packet.pts * packet.time_base
        return int(packet.stream.type == "video" or not Fraction(1, 5) < time < Fraction(3, 5))

    copy(_remuxed(made, tmp_path / "in.mkv", thin), tmp_path / "out.mp4")
    samples, rate, start = _tone(tmp_path / "out.mp4")
    assert abs(float(start) + np.abs(samples[0]).argmax() / rate - 0.9) < 0.02


def _lines(path: Path) -> list[tuple[str, float, float]]:
    found = []
    with av.open(str(path)) as container:
        for packet in container.demux(container.streams.subtitles[0]):
            if packet.size > 2:
                shown = "".join(rect.dialogue.decode() for rect in packet.decode())
                unit = packet.time_base
                found.append((shown, float(packet.pts * unit), float(packet.duration * unit)))
    return found


@pytest.mark.parametrize(
    ("source", "output", "codec"),
    [
        (".mp4", ".mkv", "subrip"),
        (".mkv", ".mp4", "mov_text"),
        (".mkv", ".mov", "mov_text"),
        (".mp4", ".webm", "webvtt"),
    ],
)
def test_text_subtitles_are_turned_into_what_the_container_holds(
    tmp_path: Path, source: str, output: str, codec: str
) -> None:
    made = make_clips.many_tracks(tmp_path / f"in{source}")
    notes = copy(made.path, tmp_path / f"out{output}")
    assert any("subtitle track" in note and f"turned into {codec}" in note for note in notes)
    assert _lines(tmp_path / f"out{output}") == [("Line 0", 0.1, 0.1), ("Line 1", 0.25, 0.1)]
    with av.open(str(tmp_path / f"out{output}")) as container:
        assert container.streams.subtitles[0].codec_context.codec.canonical_name == codec


def test_subtitles_come_back_from_a_round_trip(tmp_path: Path) -> None:
    made = make_clips.many_tracks(tmp_path / "in.mkv")
    copy(made.path, tmp_path / "there.mp4")
    copy(tmp_path / "there.mp4", tmp_path / "back.mkv")
    assert _lines(tmp_path / "back.mkv") == _lines(made.path)


def _with_cover(path: Path, kind: str = ".jpg") -> tuple[Path, bytes]:
    made = write_clip(path.with_name("plain.mp4"), sounds=(Sound(),), title="Covered", matrix=1)
    picture = cv2.imencode(kind, np.full((8, 8, 3), 90, np.uint8))[1].tobytes()
    with av.open(str(made.path)) as source, av.open(str(path), "w") as container:
        container.metadata["title"] = "Covered"
        tracks = {s.index: container.add_stream_from_template(s, opaque=True) for s in source.streams}
        if path.suffix == ".mkv":
            container.add_attachment(f"cover{kind}", f"image/{kind[1:].replace('jpg', 'jpeg')}", picture)
        else:
            cover = container.add_mux_stream("mjpeg" if kind == ".jpg" else "png", width=8, height=8)
            cover.disposition = Disposition.attached_pic
            packet = av.Packet(picture)
            packet.stream, packet.pts, packet.dts = cover, 0, 0
            container.mux(packet)
        for packet in source.demux():
            if packet.size:
                packet.stream = tracks[packet.stream.index]
                container.mux(packet)
    return path, picture


@pytest.mark.parametrize("kind", [".jpg", ".png"])
@pytest.mark.parametrize("output", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("source", [".mp4", ".mkv"])
def test_a_cover_is_kept(tmp_path: Path, source: str, output: str, kind: str) -> None:
    made, picture = _with_cover(tmp_path / f"in{source}", kind)
    out = tmp_path / f"out{output}"
    assert not any("cover" in note for note in copy(made, out))
    with av.open(str(out)) as container:
        (cover,) = [s for s in container.streams.video if s.disposition & Disposition.attached_pic]
        assert [bytes(packet) for packet in container.demux(cover) if packet.size] == [picture]
        assert container.metadata["title"] == "Covered"
    assert len(read(out)) == make_clips.FRAMES
    assert len(packets(out, "audio")[0]) == len(packets(made, "audio")[0])


def test_where_there_is_no_place_for_a_cover_a_note_says_so(tmp_path: Path) -> None:
    made, _ = _with_cover(tmp_path / "in.mp4")
    assert any(note.startswith("1 cover") for note in copy(made, tmp_path / "out.webm"))


@pytest.fixture
def clocked(tmp_path: Path) -> Path:
    """A QuickTime file with sound and a timecode track."""
    sound = (Sound(codec="pcm_s16le"),)
    made = write_clip(tmp_path / "plain.mov", ticks=tuple(range(30)), sounds=sound, matrix=1)
    return _remuxed(made.path, tmp_path / "in.mov", metadata={"timecode": "10:00:00:00"})


def _timecodes(path: Path) -> list[str]:
    with av.open(str(path)) as container:
        return [s.metadata["timecode"] for s in container.streams if s.type == "data"]


@pytest.mark.parametrize("suffix", [".mov", ".mp4"])
def test_a_timecode_track_is_kept(tmp_path: Path, clocked: Path, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    assert _timecodes(clocked) == ["10:00:00:00"]
    assert copy(clocked, out) == []
    assert _timecodes(out) == ["10:00:00:00"]
    assert len(read(out)) == 30 and len(packets(out, "audio")) == 1


def test_a_timecode_begins_where_the_part_begins(tmp_path: Path, clocked: Path) -> None:
    copy(clocked, tmp_path / "out.mov", start=Fraction(26, 25))
    assert _timecodes(tmp_path / "out.mov") == ["10:00:01:01"]


def test_a_timecode_that_matroska_has_no_track_for_is_noted(tmp_path: Path, clocked: Path) -> None:
    notes = copy(clocked, tmp_path / "out.mkv")
    assert any("timecode track left out" in note and "10:00:00:00" in note for note in notes)
    with av.open(str(tmp_path / "out.mkv")) as container:
        assert container.streams.video[0].metadata["TIMECODE"] == "10:00:00:00"


@pytest.mark.parametrize(
    ("begin", "frames", "rate", "shown"),
    [
        ("10:00:00:00", 25 * 61, Fraction(25), "10:01:01:00"),
        ("00:00:59;29", 1, Fraction(30000, 1001), "00:01:00;02"),
        ("00:09:59;29", 1, Fraction(30000, 1001), "00:10:00;00"),
        ("00:00:00;00", 17982, Fraction(30000, 1001), "00:10:00;00"),
        ("23:59:59:24", 1, Fraction(25), "00:00:00:00"),
        ("nonsense", 5, Fraction(25), "nonsense"),
    ],
)
def test_a_timecode_counts_frames(begin: str, frames: int, rate: Fraction, shown: str) -> None:
    assert later(begin, frames / rate, rate) == shown


def _spoiled(source: Path, path: Path, number: int) -> Path:
    """Two damaged bytes at the beginning of a sound packet."""
    with av.open(str(source)) as container:
        found = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
    data = source.read_bytes()
    at = data.index(found[number])
    path.write_bytes(data[:at] + b"\xff\xf1" + data[at + 2 :])
    return path


def test_a_damaged_sound_packet_costs_only_itself(tmp_path: Path) -> None:
    sounds = (Sound(codec="eac3"),)
    made = write_clip(tmp_path / "plain.mkv", ticks=tuple(range(25)), sounds=sounds, matrix=1)
    source = _spoiled(made.path, tmp_path / "in.mkv", 5)
    notes = copy(source, tmp_path / "out.mp4")
    assert notes == ["audio track (eac3): 1 packet damaged and left out"]
    (before,), (after,) = packets(made.path, "audio"), packets(tmp_path / "out.mp4", "audio")
    kept = [*before[:5], *before[6:]]
    assert [data for data, _, _ in after] == [data for data, _, _ in kept]
    assert len(read(tmp_path / "out.mp4")) == 25


@pytest.mark.parametrize("output", [".mp4", ".mov", ".mkv"])
def test_a_repeated_sound_packet_is_dropped(tmp_path: Path, output: str) -> None:
    made = write_clip(tmp_path / "plain.mkv", sounds=(Sound(),), matrix=1)
    seen = iter(range(1000))

    def twice(packet: av.Packet[Any]) -> int:
        return 2 if packet.stream.type == "audio" and next(seen) == 6 else 1

    source = _remuxed(made.path, tmp_path / "in.mkv", twice)
    notes = copy(source, tmp_path / f"out{output}")
    assert "audio track (aac): 1 packet repeated and left out" in notes
    (before,), (after,) = packets(made.path, "audio"), packets(tmp_path / f"out{output}", "audio")
    assert [data for data, _, _ in after] == [data for data, _, _ in before]


@pytest.mark.parametrize("muxer", ["mp4", "matroska"])
def test_sound_whose_times_run_back_is_moved_on(tmp_path: Path, muxer: str) -> None:
    made = write_clip(tmp_path / "in.mkv", sounds=(Sound(),), matrix=1)
    with av.open(str(made.path)) as source, av.open(str(tmp_path / "out"), "w", format=muxer) as output:
        track = CopiedTrack(source.streams.audio[0], muxer)
        track.add(output)
        output.start_encoding()
        times = []
        for number, packet in enumerate(source.demux(track.stream)):
            if packet.size:
                packet.pts = packet.dts = packet.dts - (30 if number == 6 else 0)
                for written in track.packets(packet, Window(None, None, Fraction(0))):
                    times.append(written.dts)
                    output.mux(written)
        assert times == sorted(set(times)) and len(times) == len(packets(made.path, "audio")[0])
        assert track.notes() == [
            "audio track (aac): 1 packet with times that stand still or run back, moved on"
        ]
        track.close()


def test_sound_that_can_not_be_read_on_ends_early_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scenivid.video.writing.tracks import tracks

    made = write_clip(tmp_path / "in.mp4", sounds=(Sound(),), matrix=1)

    class Broken:
        def __init__(self, source: Any) -> None:
            self._source = source

        def __getattr__(self, name: str) -> Any:
            return getattr(self._source, name)

        def demux(self, *streams: Any) -> Any:
            yield from list(self._source.demux(*streams))[:3]
            raise FFmpegError(5, "Input/output error")

    opened = tracks.open_container
    monkeypatch.setattr(tracks, "open_container", lambda path: Broken(opened(path)))
    notes = copy(made.path, tmp_path / "out.mp4")
    assert any("in.mp4: sound and subtitles end early" in note for note in notes)
    assert len(read(tmp_path / "out.mp4")) == make_clips.FRAMES


def test_a_clock_that_starts_again_runs_on(tmp_path: Path) -> None:
    """Two transport streams joined byte by byte."""
    made = write_clip(tmp_path / "one.ts", ticks=tuple(range(25)), sounds=(Sound(codec="ac3"),), matrix=1)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(made.path.read_bytes() * 2)
    (before,) = packets(made.path, "audio")
    copy(joined, tmp_path / "out.mkv")
    (after,) = packets(tmp_path / "out.mkv", "audio")
    assert [data for data, _, _ in after] == 2 * [data for data, _, _ in before]
    times = [time for _, time, _ in after]
    steps = [float(b - a) for a, b in itertools.pairwise(times)]
    assert min(steps) >= 0 and sorted(steps)[len(steps) // 2] == pytest.approx(0.032, abs=0.001)
    assert max(times) - min(times) > 1.9


def test_a_data_track_that_is_left_out_is_named(tmp_path: Path) -> None:
    made = write_clip(tmp_path / "plain.ts", sounds=(Sound(codec="ac3"),), matrix=1)
    source = tmp_path / "in.ts"
    with av.open(str(made.path)) as one, av.open(str(source), "w") as other:
        tracks = {s.index: other.add_stream_from_template(s, opaque=True) for s in one.streams}
        data = other.add_data_stream("klv")
        for packet in one.demux():
            if packet.size:
                if packet.stream.type == "video":
                    klv = av.Packet(b"\x06\x0e\x2b\x34" + bytes(16))
                    klv.stream, klv.time_base = data, packet.time_base
                    klv.pts = klv.dts = packet.dts
                    other.mux(klv)
                packet.stream = tracks[packet.stream.index]
                other.mux(packet)
    notes = copy(source, tmp_path / "out.mp4")
    assert any("1 data track (klv) left out: can't be stored in .mp4" in note for note in notes)
