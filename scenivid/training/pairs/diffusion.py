"""Pairs from photographs and what an open diffusion model makes of them, by diffusers.

Three ways, by what the model is: `img2img` noises the photograph and paints it anew; `controlnet` does so
along its edges (or along itself), so that more may change; `edit` tells an editing model what to do. Every
pair has a seed of its own, so that it is the same whenever it is made.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from scenivid.errors import CheckpointError, ConfigError, DataError, DependencyError
from scenivid.pixels import to_float, to_pixels
from scenivid.training.data.samples import ImageSet
from scenivid.training.run.random_state import generator
from scenivid.weights.network import mirrored, offline
from scenivid.weights.published import reachable

logger = logging.getLogger(__name__)
_HUB = "https://huggingface.co"
_BLANK = 0.01
"""Standard deviation below which a picture is nothing: what a model's filter gives in place of its work."""


@dataclass(frozen=True)
class DiffusionSettings:
    """Which model, and what it is asked for."""

    kind: Literal["img2img", "controlnet", "edit"] = "controlnet"
    model: str = "stabilityai/stable-diffusion-xl-base-1.0"
    """A name on Hugging Face, or the folder of a downloaded model; in safetensors, others are refused."""
    controlnet: str = "diffusers/controlnet-canny-sdxl-1.0"
    """Likewise; it must fit the model."""
    control: Literal["edges", "picture"] = "edges"
    """What the ControlNet was trained on: Canny's edges, or pictures themselves (its "tile" models)."""
    prompt: str = "anime background art, painted landscape, clear light"
    negative: str = "photograph, people, text, watermark, frame"
    side: int = 768
    """Side, in pixels, at which the model works; a pair is reduced afterwards to photo.size."""
    strength: float = 0.6
    """0 keeps the photograph, 1 forgets it; not for edit."""
    steps: int = 30
    """Of denoising; `strength` of them are made."""
    guidance: float = 6.0
    """How much the prompt counts; 0 or 1 for distilled ("turbo") models."""
    image_guidance: float = 1.5
    """How much the photograph counts, for edit models that ask for it."""
    control_scale: float = 0.7
    """How much the control counts."""
    precision: Literal["auto", "fp16", "bf16", "fp32"] = "auto"
    """auto: bf16 where the GPU knows it, fp16 on others, fp32 on the CPU."""
    offload: bool = False
    """Keep on the GPU only the part that is at work: slower, and less memory."""

    def __post_init__(self) -> None:
        if not 0 < self.strength <= 1:
            raise ConfigError("diffusion.strength must lie above 0 and up to 1")
        if self.side % 16:
            raise ConfigError("diffusion.side must be a multiple of 16")
        if self.kind != "edit" and round(self.steps * self.strength) < 1:
            raise ConfigError("diffusion: steps x strength must be at least 1, or nothing is painted")


class DiffusionPairs:
    """Crops of photographs, and the pipeline's pictures of them.

    Args:
        photos: crops of `settings.side` pixels.
        pipeline: of diffusers; it is given what of the settings its call knows.
        size: side of the pairs, in pixels.
        device: whose noise is drawn on the CPU, so that it is the same on all.
    """

    name = "diffusers"
    costly = True

    def __init__(
        self, photos: ImageSet, pipeline: Any, settings: DiffusionSettings, size: int, seed: int = 0
    ) -> None:
        self.photos, self.pipeline, self.settings, self.size, self.seed = (
            photos,
            pipeline,
            settings,
            size,
            seed,
        )
        self._known = _parameters(pipeline)

    def pairs(self, first: int, count: int) -> tuple[Tensor, Tensor]:
        """Pairs `first` …: see `PairSource`; one whose picture is blank has a blank anime side."""
        real = to_float(torch.stack([self.photos[i] for i in range(first, first + count)]))
        seeds = [generator(self.seed, 13, first + i) for i in range(count)]
        if self.settings.kind == "edit":  # few of these models take several pictures at once
            made = torch.cat([self._paint(real[i : i + 1], seeds[i : i + 1]) for i in range(count)])
        else:
            made = self._paint(real, seeds)
        return _reduced(real, self.size), _reduced(made, self.size)

    def _paint(self, real: Tensor, seeds: list[torch.Generator]) -> Tensor:
        settings, count = self.settings, len(real)
        words: dict[str, Any] = {
            "prompt": [settings.prompt] * count,
            "negative_prompt": [settings.negative] * count,
            "image": real,
            "strength": settings.strength,
            "num_inference_steps": settings.steps,
            "guidance_scale": settings.guidance,
            "image_guidance_scale": settings.image_guidance,
            "controlnet_conditioning_scale": settings.control_scale,
            "generator": seeds,
            "output_type": "pt",
        }
        if settings.kind == "controlnet":
            words["control_image"] = edges(real) if settings.control == "edges" else real
        if settings.kind == "edit":
            words |= {
                name: value[0] for name, value in words.items() if name in ("prompt", "negative_prompt")
            }
            words["generator"] = seeds[0]
        given = words if self._known is None else {k: v for k, v in words.items() if k in self._known}
        made: Tensor = torch.as_tensor(self.pipeline(**given).images).float().cpu()
        if made.shape[:2] != (count, 3):
            raise DataError(f"the pipeline gave {tuple(made.shape)} for {count} pictures")
        return made.clamp(0, 1)


def blank(picture: Tensor) -> bool:
    """Whether a picture, [3, H, W], shows nothing."""
    return float(picture.std()) < _BLANK


def edges(images: Tensor) -> Tensor:
    """Canny's edges in white on black, as ControlNets are trained on; [N, 3, H, W] in [0, 1]."""
    found = []
    for image in to_pixels(images):
        grey = cv2.cvtColor(np.ascontiguousarray(image.permute(1, 2, 0).numpy()), cv2.COLOR_RGB2GRAY)
        found.append(torch.from_numpy(cv2.Canny(grey, 100, 200)))
    return (torch.stack(found).float() / 255)[:, None].expand(-1, 3, -1, -1)


def check_diffusers(settings: DiffusionSettings) -> None:
    """Make sure, within seconds, that the models can be had; nothing is loaded.

    Raises:
        DependencyError: diffusers or transformers isn't installed.
        CheckpointError: a model is neither in a folder nor in the cache, and Hugging Face can't be reached.
    """
    missing = missing_models(settings)
    if missing and (offline() or not reachable(mirrored(f"{_HUB}/"))):
        raise CheckpointError(_advice(missing))


def missing_models(settings: DiffusionSettings) -> list[str]:
    """Models that would have to be downloaded.

    Raises:
        DependencyError: diffusers or transformers isn't installed.
        CheckpointError: a folder that isn't there, or holds no model.
    """
    library = _library()
    return [name for name in _models(settings) if not _here(library, name)]


def open_pipeline(settings: DiffusionSettings, device: torch.device) -> Any:
    """Load the pipeline, downloaded where need be.

    Raises:
        DependencyError, CheckpointError: as `check_diffusers`, or the model isn't one of the kind.
    """
    check_diffusers(settings)
    library = _library()
    dtype = _dtype(settings.precision, device)
    how: dict[str, Any] = {"torch_dtype": dtype, "use_safetensors": True}
    try:
        if settings.kind == "controlnet":
            how["controlnet"] = library.ControlNetModel.from_pretrained(settings.controlnet, **how)
        loader = library.DiffusionPipeline if settings.kind == "edit" else library.AutoPipelineForImage2Image
        pipeline = loader.from_pretrained(settings.model, **how)
    except (OSError, ValueError, KeyError) as exc:
        reason = (str(exc).strip().splitlines() or [type(exc).__name__])[0]
        raise CheckpointError(f"{_advice(_models(settings))} ({reason})") from exc
    if settings.offload and device.type == "cuda":
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline = pipeline.to(device)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _models(settings: DiffusionSettings) -> list[str]:
    return [settings.model, *([settings.controlnet] if settings.kind == "controlnet" else [])]


def _here(library: Any, name: str) -> bool:
    """Whether a model is in a folder or in Hugging Face's cache."""
    folder = Path(name)
    if folder.is_dir():
        if not ((folder / "model_index.json").is_file() or (folder / "config.json").is_file()):
            raise CheckpointError(f"{name} holds no model of diffusers (no model_index.json, no config.json)")
        return True
    if folder.is_absolute() or name.startswith((".", "~")) or name.count("/") != 1:
        raise CheckpointError(f"no such folder: {name}")
    for file in ("model_index.json", "config.json"):
        if isinstance(import_module("huggingface_hub").try_to_load_from_cache(name, file), str):
            return True
    return False


def _library() -> Any:
    try:
        import diffusers
        import transformers  # noqa: F401  (its text encoders)
    except ImportError as exc:
        raise DependencyError("pairs from diffusion models need: pip install 'scenivid[pairs]'") from exc
    return diffusers


def _advice(models: list[str]) -> str:
    named = " and ".join(models)
    where = "give its folder as diffusion.model or diffusion.controlnet"
    return f"{named} can't be had: download it elsewhere ({_HUB}) and {where}"


def _parameters(pipeline: Any) -> frozenset[str] | None:
    """Names that the pipeline's call knows; None if it takes any."""
    known: Mapping[str, inspect.Parameter] = inspect.signature(pipeline.__call__).parameters
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in known.values()):
        return None
    return frozenset(known)


def _dtype(precision: str, device: torch.device) -> torch.dtype:
    if precision == "auto":
        if device.type != "cuda":
            return torch.float32
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}[precision]


def _reduced(images: Tensor, size: int) -> Tensor:
    if images.shape[-2:] == (size, size):
        return images
    small: Tensor = F.interpolate(images, (size, size), mode="bicubic", antialias=True)
    return small.clamp(0, 1)
