"""Nodes that stylize a batch of images: as the frames of one video, steadied, or each for itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

import scenivid

_OWN = -1.0
"""Of the dial for ink: the style's own."""
_DIALS = {
    "strength": ("FLOAT", {"default": 1.0, "min": 0.0, "max": 1.0, "step": 0.05}),
    "ink": ("FLOAT", {"default": _OWN, "min": _OWN, "max": 1.0, "step": 0.05,
                      "tooltip": "Darkness of lines; below 0 the style's own"}),
    "paint": ("INT", {"default": 0, "min": 0, "max": 4096, "step": 8,
                      "tooltip": "Shorter side at which frames are painted; 0: what the style learnt"}),
    "device": (["auto", "cpu", "cuda"],),
}  # fmt: skip


def _styles() -> list[str]:
    from scenivid.styles.zoo import embedded, installed

    return [*embedded(), *installed()]


class ScenividStylizeFrames:
    """Consecutive frames of one video in, the same frames stylised and steadied out."""

    CATEGORY = "scenivid"
    FUNCTION = "stylize"
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("images",)
    DESCRIPTION = "Stylizes the frames of one video, in order, without flicker."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """What ComfyUI shows."""
        steady = ("FLOAT", {"default": 0.7, "min": 0.0, "max": 1.0, "step": 0.05,
                            "tooltip": "0 treats each frame alone, 1 is the steadiest"})  # fmt: skip
        return {"required": {"images": ("IMAGE",), "style": (_styles(),), "consistency": steady, **_DIALS}}

    def stylize(
        self,
        images: Tensor,
        style: str,
        consistency: float,
        strength: float = 1.0,
        ink: float = _OWN,
        paint: int = 0,
        device: str = "auto",
    ) -> tuple[Tensor]:
        """Stylize.

        Args:
            images: [T, H, W, 3 or 4], float in [0, 1].

        Returns:
            The same shape, float32 in [0, 1], on the same device.
        """
        settings = _settings(style, consistency, strength, ink, paint, device)
        return (_stylized(images, [_arrays(images)], settings),)


class ScenividStylizePictures:
    """Pictures that have nothing to do with each other in, the same pictures stylised out."""

    CATEGORY = "scenivid"
    FUNCTION = "stylize"
    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("images",)
    DESCRIPTION = "Stylizes each picture of a batch for itself."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """What ComfyUI shows."""
        return {"required": {"images": ("IMAGE",), "style": (_styles(),), **_DIALS}}

    def stylize(
        self,
        images: Tensor,
        style: str,
        strength: float = 1.0,
        ink: float = _OWN,
        paint: int = 0,
        device: str = "auto",
    ) -> tuple[Tensor]:
        """Stylize; see `ScenividStylizeFrames`."""
        settings = _settings(style, 0.0, strength, ink, paint, device)
        return (_stylized(images, [[each] for each in _arrays(images)], settings),)


NODE_CLASS_MAPPINGS = {
    "ScenividStylizeFrames": ScenividStylizeFrames,
    "ScenividStylizePictures": ScenividStylizePictures,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "ScenividStylizeFrames": "Stylize frames of a video (scenivid)",
    "ScenividStylizePictures": "Stylize pictures (scenivid)",
}


def _settings(
    style: str, consistency: float, strength: float, ink: float, paint: int, device: str
) -> scenivid.StylizeSettings:
    return scenivid.StylizeSettings(
        style=style,
        consistency=consistency,
        strength=strength,
        ink=None if ink < 0 else ink,
        paint=paint or "auto",
        device=device,
    )


def _arrays(images: Tensor) -> Iterator[np.ndarray[Any, Any]]:
    """Frames as scenivid takes them: 8 bits, as nearly all pictures in ComfyUI once had."""
    for image in images:
        yield image.detach().float().clamp(0, 1).mul(255).round().to(torch.uint8).cpu().numpy()


def _stylized(images: Tensor, videos: Any, settings: scenivid.StylizeSettings) -> Tensor:
    """The result of every video in `videos`, all of one size, as one batch like `images`."""
    told = _Host(len(images))
    made = torch.empty(images.shape, dtype=torch.float32)
    number = 0
    for video in videos:
        for pixels, _ in scenivid.frames(video, settings):
            made[number] = torch.from_numpy(pixels).float() / 255
            number += 1
            told.step()
    return made.to(images.device)


class _Host:
    """ComfyUI's progress bar and its button to stop, where there is a ComfyUI."""

    def __init__(self, total: int) -> None:
        self._bar: Any = None
        self._look: Any = lambda: None
        try:
            from comfy.model_management import throw_exception_if_processing_interrupted
            from comfy.utils import ProgressBar
        except ImportError:
            return
        self._bar, self._look = ProgressBar(total), throw_exception_if_processing_interrupted

    def step(self) -> None:
        """One more is done."""
        self._look()
        if self._bar is not None:
            self._bar.update(1)
