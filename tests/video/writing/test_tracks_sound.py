"""Sound that is encoded or damaged on its way: in step with the picture, nothing else lost."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import make_clips
import numpy as np
import pytest
from av.error import FFmpegError
from identity import copy, packets, read
from make_clips import Sound, write_clip
from remuxed import remuxed

from scenivid.video.writing.tracks.copied import CopiedTrack
from scenivid.video.writing.tracks.window import Window


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

    copy(remuxed(made, tmp_path / "in.mkv", thin), tmp_path / "out.mp4")
    samples, rate, start = _tone(tmp_path / "out.mp4")
    assert abs(float(start) + np.abs(samples[0]).argmax() / rate - 0.9) < 0.02


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

    source = remuxed(made.path, tmp_path / "in.mkv", twice)
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
    monkeypatch.setattr(tracks, "open_container", lambda path, known: Broken(opened(path)))
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
