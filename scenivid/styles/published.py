"""Weights that others published: fetched on demand, or imported from the user's own file, never shipped.

The official Scenimefy generator is under the S-Lab Licence 1.0, for non-commercial use only. Its file is a
pickled state dict; it is read with `weights_only=True`, checked key by key, and kept as safetensors.
"""

from __future__ import annotations

import hashlib
import logging
import re
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path

from torch import nn

from scenivid.errors import CheckpointError, ConfigError
from scenivid.nets.checkpoint import (
    ModelCard,
    check_kind,
    is_pickle,
    load_checkpoint,
    load_strictly,
    read_card,
    read_tensors,
    save_checkpoint,
)
from scenivid.nets.translator import Translator
from scenivid.styles.places import models_dir
from scenivid.styles.training_run import style_of_run
from scenivid.weights.catalogue import NON_COMMERCIAL, SHINKAI
from scenivid.weights.published import Published, alone, fetch_published, retrieve
from scenivid.weights.torch_file import read_state, read_torch

_LARGEST = 200_000_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_log = logging.getLogger(__name__)

PUBLISHED = (SHINKAI,)
"""The entries of the catalogue that are styles."""


def import_checkpoint(path: Path, as_name: str | None = None, dest_dir: Path | None = None) -> ModelCard:
    """Take a weights file into the models folder, under a name `--style` knows.

    Accepts our own safetensors, and the official generator (or any with its keys) as .pth or .safetensors.

    Raises:
        CheckpointError: The file isn't one of these; the message says what differs.
        ConfigError: The name isn't letters, digits, - and _.
    """
    name = check_name(as_name if as_name is not None else _name_from(path))
    target = (dest_dir or models_dir()) / f"{name}.safetensors"
    try:
        check_kind(path)
        card = read_card(path) if _has_card(path) else None
    except CheckpointError:
        if not _is_pickled(path):
            raise
        card = None
    if card is not None:
        network, card = load_checkpoint(path)
        card = replace(card, name=name)
    else:
        network, card = _foreign(path, name)
    save_checkpoint(target, network, card)
    _log.info("%s kept as %s (%s)", path, target, card.licence)
    return card


def fetch(entry: Published, dest_dir: Path | None = None, again: bool = False) -> Path:
    """The safetensors of a published model, downloaded and converted the first time.

    A file of the published name that already lies in the folder is used instead of the network.

    Args:
        again: What is there is damaged; replace it.

    Raises:
        CheckpointError: No connection, or not the expected file; says what to fetch and where to put it.
    """
    folder = dest_dir or models_dir()
    target = folder / f"{entry.name}.safetensors"
    with alone(target):
        if again or not _sound(target):
            _fetch(entry, folder)
    return target


def _sound(target: Path) -> bool:
    if not target.is_file():
        return False
    try:
        read_card(target)
    except CheckpointError as exc:
        _log.warning("%s; fetching it again", exc)
        return False
    return True


def _fetch(entry: Published, folder: Path) -> None:
    local = folder / entry.file
    if local.is_file():
        import_checkpoint(local, entry.name, folder)
        return
    _log.warning("downloading %s (%s)", entry.url, entry.licence)
    with tempfile.TemporaryDirectory(prefix="scenivid-") as scratch:
        fetched = Path(scratch) / entry.file
        try:
            retrieve(entry.url, fetched, largest=_LARGEST)
        except (HTTPException, OSError, ValueError) as exc:
            reason = getattr(exc, "reason", None) or exc
            raise CheckpointError(
                f"can't download {entry.url} ({reason}); "
                f"fetch {entry.file} by other means and put it at {local}"
            ) from exc
        import_checkpoint(fetched, entry.name, folder)


def obtain(entry: Published) -> Path:
    """Any file of the catalogue, downloaded unless it is here; a style is converted as well.

    Raises:
        CheckpointError: It can't be had; says what to fetch and where to put it.
    """
    return fetch(entry) if entry in PUBLISHED else fetch_published(entry)


def kept_at(entry: Published) -> Path:
    """Where a file of the catalogue is looked for: the place for one that was fetched by hand."""
    return models_dir() / entry.file if entry in PUBLISHED else entry.path


def is_here(entry: Published) -> bool:
    """Whether it needs no download any more."""
    if entry not in PUBLISHED:
        return entry.here
    return kept_at(entry).is_file() or (models_dir() / f"{entry.name}.safetensors").is_file()


def check_name(name: str) -> str:
    """`name`, if it can be a file name anywhere and can't leave the models folder.

    Raises:
        ConfigError: It can't.
    """
    if not _NAME.fullmatch(name) or name == "none":
        raise ConfigError(f"{name!r} can't name a model; use letters, digits, - and _ (`--as NAME`)")
    return name


def _foreign(path: Path, name: str) -> tuple[nn.Module, ModelCard]:
    """Without a card of ours: a checkpoint of our training, or the official generator."""
    if _is_pickled(path):
        held = read_torch(path)
        if isinstance(held, Mapping) and {"recipe", "state"} <= held.keys():
            return style_of_run(path, name, held)
        if isinstance(held, Mapping) and {"g_ema", "g"} & held.keys():
            raise CheckpointError(
                f"{path} is a StyleGAN2: it makes pictures of its own and can't stylize any; "
                "`scenivid train pairs` and `train translator` make a style with it"
            )
    return _official(path, name)


def _official(path: Path, name: str) -> tuple[Translator, ModelCard]:
    if _is_pickled(path):  # saved from a parallel wrapper, its names begin with "module."
        tensors = {key.removeprefix("module."): value for key, value in read_state(path).items()}
    else:
        tensors = read_tensors(path)
    network = Translator()
    load_strictly(network, tensors, str(path))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    card = ModelCard(
        name=name,
        architecture="translator",
        description="Generator of Scenimefy (Jiang et al., ICCV 2023), converted from the user's own copy",
        licence=f"{NON_COMMERCIAL}; if the file is not theirs, its own",
        commercial_use=False,
        data=("real: LHQ landscapes", "anime: frames of nine films by Makoto Shinkai"),
        recipe="published weights",
        notes=f"converted from {path.name}, sha256 {digest}",
    )
    return network, card


def _is_pickled(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return is_pickle(file.read(16))
    except OSError:
        return False


def _has_card(path: Path) -> bool:
    try:
        read_card(path)
    except CheckpointError as exc:
        if "without a scenivid model card" in str(exc):
            return False
        raise
    return True


def _name_from(path: Path) -> str:
    known = {entry.file: entry.name for entry in PUBLISHED}
    return known.get(path.name, re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem).strip("-").lower())
