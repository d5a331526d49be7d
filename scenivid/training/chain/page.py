"""The page about a chain: what each stage learnt, what was kept, and what the result looks like."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from scenivid.errors import DependencyError
from scenivid.machine.aside import whole
from scenivid.training.chain.curves import curves
from scenivid.training.chain.measure import Figures
from scenivid.training.chain.recipe import Recipe
from scenivid.training.pairs.program import read_manifest
from scenivid.training.run.log import read_log

PAGE = "chain.html"
_SAMPLES = 5
_CHARTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "stylegan": (
        ("fd_effnet",), ("d_loss", "g_loss"), ("d_real", "d_fake"), ("critic", "features"), ("ada_p",),
    ),
    "finetune": (
        ("fd_effnet",), ("agreement",), ("d_loss", "g_loss"), ("critic", "features"),
        ("embedding", "perceptual", "patch", "directional"), ("ada_p",),
    ),
    "pairs": (("kept", "agreement"),),
    "translator": (
        ("d", "gan", "d_pair", "pair_gan"), ("critic", "features"), ("hdce", "hdce_identity", "style_nce"),
        ("src",), ("temporal", "contrast"),
    ),
    "lite": (("pixel", "edges", "colour"), ("temporal",), ("perceptual",)),
}  # fmt: skip
"""Values of each stage's log that share a chart."""
_ABOUT = {
    "stylegan": "A StyleGAN2 of the photographs. In samples, the first row is real.",
    "finetune": "The same, moved to the style under constraints. Rows: source, fine-tuned; the last is real.",
    "pairs": "The same latents through both; pairs whose segmentations disagree are dropped.",
    "translator": "Photographs to the style. Rows: photographs, translated; sources, targets, translated.",
    "lite": "A small, fast network, taught by the translator. Rows: photographs, translator, lite.",
}


def write_page(recipe: Recipe, out: Path, figures: Sequence[Figures], seconds: dict[str, float]) -> Path:
    """Write `out`/chain.html, which shows the pictures and the video beside it.

    Raises:
        DependencyError: jinja2 is missing.
    """
    try:
        import jinja2
    except ImportError as exc:
        raise DependencyError("the chain's page needs jinja2: pip install 'scenivid[train]'") from exc
    source = (resources.files("scenivid.training.chain") / "page.html").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(source)
    shown = template.render(
        name=recipe.name,
        photos=recipe.photos.name,
        anime=recipe.anime.name,
        figures=figures,
        crops=recipe.crops,
        side=recipe.translator.augment.size,
        stages=[_stage(name, out, seconds[name]) for name in recipe.stages],
        pairs=_pairs(out / "pairs"),
        hours=sum(seconds.values()) / 3600,
    )
    with whole(out / PAGE) as part:
        part.write_text(shown, encoding="utf-8")
    return out / PAGE


def _stage(name: str, out: Path, seconds: float) -> dict[str, Any]:
    folder = out / name
    log = read_log(folder / "log.jsonl") if (folder / "log.jsonl").exists() else []
    sheets = sorted((folder / "samples").glob("*.png"))
    count = min(_SAMPLES, len(sheets))
    picked = [sheets[round(i * (len(sheets) - 1) / max(count - 1, 1))] for i in range(count)]
    step = int(log[-1]["step"]) if log else 0
    return {
        "name": name,
        "about": _ABOUT[name],
        "step": step,
        "minutes": seconds / 60,
        "rate": step / seconds if seconds else 0.0,
        "charts": [chart for names in _CHARTS[name] if (chart := curves(log, names))],
        "samples": [(int(sheet.stem), sheet.relative_to(out).as_posix()) for sheet in picked],
    }


def _pairs(folder: Path) -> dict[str, Any]:
    rows = read_manifest(folder)
    calibration = folder / "calibration.json"
    return {
        "made": len(rows),
        "kept": sum(bool(row["kept"]) for row in rows),
        "calibration": json.loads(calibration.read_text(encoding="utf-8")) if calibration.exists() else None,
        "sheets": [name for name in ("kept", "dropped") if (folder / f"{name}.jpg").exists()],
    }
