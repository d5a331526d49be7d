"""The model card of a style, for people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from scenivid.nets.checkpoint import ModelCard


@dataclass(frozen=True)
class Words:
    """What of a model card is written by hand."""

    description: str = ""
    licence: str = ""
    data: tuple[str, ...] = ()
    limits: str = ""
    recipe: str = ""
    """Instead of what training wrote, where several recipes made the style."""


def write_markdown(card: ModelCard, path: Path) -> None:
    """The card for people: what `scenivid styles info` shows, with the figures as tables."""
    both = card.figures["held_out"]
    count = both["photographs_measured"]
    who = [name for name, value in both.items() if isinstance(value, dict)]
    lines = [
        f"# {card.name}", "", card.description, "",
        f"- **Architecture**: {card.architecture}, {json.dumps(dict(card.params))}",
        f"- **Recipe**: {card.recipe}",
        f"- **Licence**: {card.licence}",
        f"- **Limits**: {card.limits}", "",
        "## Data", "", *(f"- {row}" for row in card.data), "",
        "## Figures", "",
        f"On {count} held-out photographs, never trained on (`train/evaluate_style.py`):", "",
        "| | " + " | ".join(who) + " |", "|---" * (1 + len(who)) + "|",
        *(" | ".join((f"| {key}", *(str(both[one].get(key, "")) for one in who))) + " |"
          for key in both["style"]), "",
        "L1 and gradients are beside the procedural painter, the teacher. FD-EffNet is to open paintings,",
        "and is "
        f"biased by the number of images: {count} of the paintings are "
        f"{both['paintings_apart']} from the other paintings.",
        "KD-EffNet, the kernel distance, is free of that bias: about 0 for equal distributions.", "",
        "| steadiness | value |", "|---|---|",
        *(f"| noise response (σ = 2/255), {one} | {value} |"
          for one, value in card.figures["noise_response"].items()),
        *(f"| E_warp, frame by frame, over the source's: {clip}, {one} | {value} |"
          for clip, values in card.figures["e_warp_over_source"].items() for one, value in values.items()),
        "", "| speed | processor ms a frame |", "|---|---|",
        *(f"| {size} | {value} |" for size, value in card.figures["ms_per_frame"].items()), "",
    ]  # fmt: skip
    path.write_text("\n".join(lines), "utf-8")
