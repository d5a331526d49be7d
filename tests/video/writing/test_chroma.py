"""How finely the colour of a result is sampled."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from scenivid.video.open import probe
from scenivid.video.writing.encoding.encoders import encoding_for


@pytest.mark.parametrize(("chroma", "kept"), [("411", "422"), ("440", "444")])
def test_rare_sampling_is_named_and_kept_by_the_next_finer(tmp_path: Path, chroma: str, kept: str) -> None:
    clip = tmp_path / "a.avi"
    with av.open(clip, "w") as file:
        stream = file.add_stream("ffvhuff", 25)
        stream.width, stream.height, stream.pix_fmt = 32, 16, f"yuv{chroma}p"
        file.mux([*stream.encode(av.VideoFrame(32, 16, f"yuv{chroma}p")), *stream.encode()])
    (note,) = encoding_for("h264", probe(clip), None, "cpu").notes
    assert f"(source: {chroma[0]}:{chroma[1]}:{chroma[2]})" in note and f"--pixel-format yuv{kept}p" in note
    assert encoding_for("prores", probe(clip), None, "cpu").pix_fmt == f"yuv{kept}p10le"
