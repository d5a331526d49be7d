"""The rows of the container table: what is made, and into what each kind is copied."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import make_clips
import odd_clips

MADE: dict[str, Callable[[Path], object]] = {
    "vfr.mp4": make_clips.variable_rate,
    "vfr.mkv": make_clips.variable_rate,
    "b_frames.mp4": make_clips.b_frames,
    "open_groups.mp4": make_clips.open_groups,
    "edit_list.mp4": make_clips.edit_list,
    "5.1_and_second_audio.mp4": make_clips.many_tracks,
    "5.1_and_second_audio.mkv": make_clips.many_tracks,
    "rotated_90.mp4": partial(make_clips.rotated, clockwise=90),
    "rotated_180.mp4": partial(make_clips.rotated, clockwise=180),
    "rotated_270.mov": partial(make_clips.rotated, clockwise=270),
    "odd_444.mp4": make_clips.odd_size,
    "odd_420.webm": make_clips.odd_size_420,
    "sar_4_3.mp4": make_clips.anamorphic,
    "full_range.mp4": make_clips.full_range,
    "bt601.mp4": make_clips.bt601,
    "untagged.mp4": make_clips.untagged,
    "10_bit.mp4": make_clips.ten_bit,
    "hdr10.mp4": make_clips.hdr10,
    "hlg.mp4": make_clips.hlg,
    "gif.gif": make_clips.gif,
    "start_offset.mp4": make_clips.start_offset,
    "start_offset.mkv": make_clips.start_offset,
    "one_frame.mp4": make_clips.one_frame,
    "zero_frames.mp4": make_clips.no_frames,
    "truncated.mp4": make_clips.truncated,
    "no_index.mp4": make_clips.without_index,
    "damaged.mp4": make_clips.damaged,
    "sound_only.wav": make_clips.sound_only,
}
KINDS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "timecode.mov": (".mov", odd_clips.with_timecode),
    "timecode_of.mov": (".mp4", odd_clips.with_timecode),
    "cover.mp4": (".mp4", odd_clips.with_cover),
    "cover_of.mp4": (".mov", odd_clips.with_cover),
    "cover_in.mp4": (".mkv", odd_clips.with_cover),
    "adpcm_ms.avi": (".mp4", partial(odd_clips.with_sound, codec="adpcm_ms")),
    "adpcm_in.avi": (".mkv", partial(odd_clips.with_sound, codec="adpcm_ms")),
    "a_law.avi": (".mp4", partial(odd_clips.with_sound, codec="pcm_alaw")),
    "wma.mkv": (".mov", partial(odd_clips.with_sound, codec="wmav2")),
    "pcm_u8.mkv": (".mp4", partial(odd_clips.with_sound, codec="pcm_u8")),
    "aac.mp4": (".webm", partial(odd_clips.with_sound, codec="aac")),
    "truehd.mkv": (".mp4", partial(odd_clips.with_sound, codec="truehd")),
    "eac3.ts": (".mov", partial(odd_clips.with_sound, codec="eac3")),
    "subrip.mkv": (".mp4", partial(odd_clips.with_lines, codec="srt")),
    "ass.mkv": (".mov", partial(odd_clips.with_lines, codec="ass")),
    "mov_text.mp4": (".mkv", partial(odd_clips.with_lines, codec="mov_text")),
    "wrapped.ts": (".mp4", odd_clips.wrapped),
    "wrapped_in.ts": (".mkv", odd_clips.wrapped),
    "joined.ts": (".mp4", odd_clips.joined),
    "wmv.wmv": (".mp4", odd_clips.wmv),
    "divx.avi": (".mp4", odd_clips.divx),
    "xvid_packed.avi": (".mp4", odd_clips.xvid_packed),
    "no_offsets.flv": (".mp4", odd_clips.flv_without_offsets),
    "hevc_radl.ts": (".mp4", odd_clips.hevc_radl),
    "hevc_rasl.ts": (".mkv", odd_clips.hevc_rasl),
    "h264_open.ts": (".mp4", odd_clips.h264_open),
    "interlaced.mp4": (".mp4", odd_clips.interlaced),
}
