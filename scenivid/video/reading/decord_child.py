"""The process in which decord runs: it aborts on some damaged files, and takes with it whoever it runs in.

Run as a script. Reads one JSON command a line from the standard input and answers with one line of JSON,
after which pixels follow where some were asked for:

    {"open": path, "restore": 0 | 1 | 2}   -> {"times": seconds of each frame}
    {"read": [first, stop]}                -> {"shape": [T, H, W, 3]}, then that many bytes
    {"rewind": true}                       -> {}

What fails answers {"error": "..."}. The process ends with its input.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from typing import Any, BinaryIO

_NO_COPIES = 1e-6
"""Share of frames that may be copies of their neighbours, made because they can't be decoded: none."""


def serve(commands: BinaryIO, answers: BinaryIO) -> None:
    """Answer until `commands` end."""
    import decord
    import numpy as np

    decord.logging.set_level(decord.logging.QUIET)  # its errors are raised as well
    limit = decord._ffi.base.DECORDLimitReachedError
    failures = (decord.DECORDError, limit, RuntimeError, AssertionError, ValueError)
    video: Any = None
    restore = 0
    for line in commands:
        command = json.loads(line)
        pixels = None
        answer: dict[str, Any] = {}
        try:
            if "open" in command:
                restore = command["restore"]
                video = decord.VideoReader(command["open"], num_threads=0, fault_tol=_NO_COPIES)
                answer["times"] = video.get_frame_timestamp(range(len(video)))[:, 0].tolist()
            elif "read" in command:
                pixels = np.ascontiguousarray(video.get_batch(range(*command["read"])).asnumpy())
                answer["shape"] = pixels.shape
            else:
                video.seek(0)  # drops what it read ahead, and rests there
        except failures as exc:
            answer, pixels = {"error": type(exc).__name__}, None
        answers.write(json.dumps(answer).encode() + b"\n")
        if pixels is not None:
            _add_back(pixels, restore, np)
            answers.write(pixels.data)
        answers.flush()


def _add_back(pixels: Any, restore: int, np: Any) -> None:
    """Undo in place what swscale's shortcut from subsampled YUV to RGB takes away.

    It floors every term of the matrix: by -0.96, -1.50, -0.97 of 255 on average in R, G, B from
    limited range, by -0.48, -0.93, -0.51 from full range. Black and white stay.

    Args:
        pixels: uint8, [T, H, W, 3].
        restore: 0 nothing, 1 green only (full range), 2 all.
        np: NumPy.
    """
    if not restore:
        return
    for frame in pixels:
        floored = frame[..., 1] if restore == 1 else frame
        inside = floored - np.uint8(1)  # 0 wraps to 255
        np.less(inside, 254, out=inside.view(np.bool_))
        floored += inside


def _main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this one decides
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    del sys.path[0]  # this folder, whose modules are not meant to be found by their bare names
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what decord prints is no answer
    try:
        serve(sys.stdin.buffer, answers)
    except (ImportError, OSError) as exc:
        answers.write(json.dumps({"absent": str(exc)[:200]}).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    _main()
