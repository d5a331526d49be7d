"""Learning a look: an embedded style is moved towards some pictures, first in colour, then in texture.

The start style paints photographs, and optimal transport in Oklab (`perception.transport`) brings the
paintings to the pictures' colours: that is what is aimed at, so palette, flatness, lines and content are
decided before anything is trained. The network's map of tones takes most of it in seconds; then everything
learns the rest, and how to be steady. In the second half, EfficientNet features should be those of
the pictures, with little weight: texture, without the photographs' detail coming back.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict

import torch
from torch import Tensor, nn

from scenivid.ink import DEFAULT_INK, inked
from scenivid.machine.devices import resolve_device
from scenivid.nets.checkpoint import load_checkpoint
from scenivid.nets.lite import Lite
from scenivid.perception.efficientnet import load_efficientnet
from scenivid.perception.perceptual import unit_distance
from scenivid.perception.transport import transport_between
from scenivid.training.data.images import Entry
from scenivid.training.learning.aims import Aims, ink_of, photograph
from scenivid.training.learning.recipe import Recipe
from scenivid.training.learning.reference import crops_of, entries_of, reference_of
from scenivid.training.learning.scaled import ScaledLite
from scenivid.training.learning.toned import fit_tone, with_tone
from scenivid.training.learning.watch import Best, Clock
from scenivid.training.losses.contrastive import ProjectionHeads, draw_places, over_layers, patch_nce
from scenivid.training.losses.lite import inner, reconstruction
from scenivid.training.losses.look import statistics_loss
from scenivid.training.losses.painting_critic import PaintingCritic
from scenivid.training.losses.temporal import draw_motion, steadiness, synthesise
from scenivid.training.run.program import Stateful
from scenivid.training.run.random_state import generator
from scenivid.training.run.schedule import set_learning_rate

logger = logging.getLogger(__name__)
_DIAL_EVERY, _DIALLED = 6, 0.5
_LOOKED_AT = 6
"""Held-out photographs on the live sheet."""
_PALETTE_SIDE, _PALETTE_PHOTOS = 160, 24
"""Shorter side of the photographs whose colours are compared with the pictures', and how many."""
_LOOK_EVERY_S, _LOOK_SHARE = 60.0, 10
"""Least time between two looks, and how many times longer than a look it is."""
_SLOWEST = 0.05
"""Learning rate at the end, as a share."""


class LearnProgram:
    """What is trained, as the training loop wants it."""

    def __init__(
        self,
        recipe: Recipe,
        photos: list[Entry],
        held: Tensor,
        looked: Callable[[Tensor, Mapping[str, float]], None] | None = None,
    ) -> None:
        """Args:
        photos: content to train on.
        held: photographs that are only looked at, [N, 3, H, W] in [0, 1].
        looked: told every minute: a sheet's rows (photographs, start, now) [3·N, 3, H, W] and figures.
        """
        self.recipe, self.held, self.looked = recipe, held[:_LOOKED_AT], looked
        self.device = resolve_device("auto")
        torch.manual_seed(recipe.run.seed)
        start, card = load_checkpoint(recipe.start)
        assert isinstance(start, Lite)
        self.start_ink = DEFAULT_INK if card.ink is None else card.ink
        self.start = start.float().requires_grad_(False).to(self.device).eval()
        toned = self._begun(photos)
        self.net = ScaledLite(copy.deepcopy(toned).requires_grad_(True)).to(self.device).train()
        self.ema = copy.deepcopy(toned).requires_grad_(False).to(self.device).eval()
        self.best, self.clock = Best(copy.deepcopy(self.ema)), Clock()
        under = [value for name, value in self.net.net.named_parameters() if not name.startswith("dial_")]
        scales = [*self.net.scale, *self.net.shift]
        self.optimizer = torch.optim.Adam([{"params": scales}, {"params": under}], lr=1e-3, betas=(0.9, 0.98))
        self.eye = load_efficientnet(self.device)
        pictures = entries_of(recipe.pictures)
        views = crops_of(pictures, recipe.crop, recipe.paint, recipe.views, recipe.run.seed, 40)
        self.reference = reference_of(views, self.eye, self.device)
        self.many = len(recipe.pictures) >= recipe.enough
        self.critic: PaintingCritic | None = None
        self.heads: ProjectionHeads | None = None
        if self.many and recipe.weights.adversarial:
            self.critic = PaintingCritic(self.reference.maps, recipe.critic).to(self.device)
            self.critic_optimizer = torch.optim.Adam(self.critic.parameters(), lr=3e-4, betas=(0.5, 0.99))
        if self.many and recipe.weights.contrast:
            self.heads = ProjectionHeads(start.feature_channels[1:], 64).to(self.device)
            self.heads_optimizer = torch.optim.Adam(self.heads.parameters(), lr=1e-3, betas=(0.5, 0.99))
        self._next_look = 0.0
        self._before: tuple[Tensor, dict[str, float]] | None = None
        """What the start style makes of the held-out photographs."""

    def state(self) -> Mapping[str, Stateful]:
        """Weights, averages, optimisers, the clock, and the best so far."""
        parts: dict[str, Stateful] = {"net": self.net, "ema": self.ema, "optimizer": self.optimizer}
        parts |= {"clock": self.clock, "best": self.best}
        if self.critic is not None:
            parts |= {"critic": self.critic, "critic_optimizer": self.critic_optimizer}
        if self.heads is not None:
            parts |= {"heads": self.heads, "heads_optimizer": self.heads_optimizer}
        return parts

    def step(self, index: int) -> Mapping[str, Tensor | float]:
        """One optimiser step; reports every loss, unweighted. Once a minute, a look."""
        recipe, spent = self.recipe, self.clock.tick()
        share = min(1.0, spent / (60 * recipe.minutes))
        self._set_rates(share, index)
        strength = _DIALLED if self._dials and index % _DIAL_EVERY == _DIAL_EVERY - 1 else 1.0
        judged = share >= recipe.first and strength == 1 and index % recipe.judged_every == 0
        losses = self._losses(index, strength, judged)
        factors = self._factors(share)
        loss = torch.stack([factors[name] * value for name, value in losses.items() if name in factors]).sum()
        self.optimizer.zero_grad(set_to_none=True)
        if self.heads is not None:
            self.heads_optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.net.parameters(), recipe.clip)
        self.optimizer.step()
        if self.heads is not None:
            self.heads_optimizer.step()
        self.net.fold_into(self.ema, 1 - min(recipe.ema, (1 + index) / (4 + index)))
        if spent >= self._next_look:
            self.look()
            self._next_look = spent + max(_LOOK_EVERY_S, _LOOK_SHARE * (self.clock.tick() - spent))
        return {name: value.detach() for name, value in losses.items()} | {"share": share}

    def samples(self) -> None:
        """The sheet is drawn by `look`, by the clock."""
        return None

    @torch.no_grad()
    def look(self) -> None:
        """See how far it is on photographs that aren't trained on, and keep it if it is the best so far."""
        if self._before is None:
            painted = self._painted(self.start, self.start_ink)
            self._before = painted, self._score(painted)
        before, then = self._before
        after = self._painted(self.ema, self.ink)
        now = self._score(after)
        figures = {name: now[name] / max(then[name], 1e-6) for name in ("palette", "texture")}
        figures["content"] = now["content"]
        score = figures["palette"] + figures["texture"] + 0.5 * max(0.0, now["content"] - then["content"])
        if score <= self.best.score:
            self.best.score = score
            self.best.net.load_state_dict(self.ema.state_dict())
        logger.info(
            "after %.0f s: palette %.0f %%, texture %.0f %% of the start style's distance",
            self.clock.spent, 100 * figures["palette"], 100 * figures["texture"],
        )  # fmt: skip
        if self.looked is not None:
            self.looked(torch.cat([self.held, before.cpu(), after.cpu()]), figures)

    @property
    def _dials(self) -> bool:
        return self.start.params.dial

    def _painted(self, net: Lite, ink: float) -> Tensor:
        pictures = [inked(net(one[None].to(self.device)), ink) for one in self.held]
        return torch.cat(pictures)

    def _score(self, painted: Tensor) -> dict[str, float]:
        recipe, random = self.recipe, generator(self.recipe.run.seed, 45)
        maps = self.eye.forward_features(painted)
        photos = self.eye.forward_features(self.held.to(self.device))
        return {
            "palette": float(self.reference.palette(painted, random, 4 * recipe.places)),
            "texture": float(self.reference.texture(maps, random, 2 * recipe.places)),
            "content": float(unit_distance(maps[2:4], photos[2:4])),
        }

    def _set_rates(self, share: float, index: int) -> None:
        warm = min(1.0, (index + 1) / 10)
        end = _SLOWEST + (1 - _SLOWEST) * 0.5 * (1 + float(torch.cos(torch.tensor(torch.pi * share))))
        rates = (self.recipe.scale_rate, self.recipe.learning_rate)
        set_learning_rate(self.optimizer, 0.0)
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * warm * end

    def _factors(self, share: float) -> dict[str, float]:
        weights: dict[str, float] = asdict(self.recipe.weights)
        last = weights.pop("anchor_end")
        weights["anchor"] += share * (last - weights["anchor"])
        return weights

    @torch.no_grad()
    def _begun(self, photos: list[Entry]) -> Lite:
        """The start network with the pictures' palette in its map of tones; decides aims and ink."""
        recipe = self.recipe
        some = photos[:: -(-len(photos) // _PALETTE_PHOTOS)]
        few = [photograph(entry, _PALETTE_SIDE) for entry in some]
        looks = [photograph(entry, 2 * _PALETTE_SIDE) for entry in entries_of(recipe.pictures)[:48]]
        painted = [self.start(photo.to(self.device)).float().cpu() for photo in few]
        flat = [one[:, :3] for one in painted]
        transport = transport_between(flat, looks, recipe.run.seed)
        self.aims = Aims(photos, self.start, transport, recipe.crop, recipe.paint, recipe.run.seed)
        self.ink = 0.0
        if self.start.params.line and recipe.ink == "learn":
            larger = [photograph(entry, 2 * _PALETTE_SIDE) for entry in some[:6]]
            made = [self.start(photo.to(self.device)).float().cpu() for photo in larger]
            self.ink = ink_of(looks, [torch.cat([transport(one[:, :3]), one[:, 3:]], 1) for one in made])
        toned = with_tone(self.start, recipe.tone).cpu()
        fit_tone(toned.requires_grad_(True), few, painted, transport, recipe.tone_steps, recipe.run.seed)
        return toned

    def _losses(self, index: int, strength: float, judged: bool) -> dict[str, Tensor]:
        """Against the aims, and steady; where `judged`, among the pictures' features as well."""
        recipe = self.recipe
        source, aim = (
            side.to(self.device, memory_format=torch.channels_last)
            for side in self.aims.crops(index * recipe.batch, recipe.batch)
        )
        motion = draw_motion(
            (recipe.moved, *source.shape[1:]), recipe.motion, (recipe.run.seed, 42, index), 0
        )
        moved = synthesise(source[: recipe.moved], motion)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=recipe.precision == "bf16"):
            output = self.net(torch.cat([source, moved]), strength)
        output, flat = output.float(), aim[:, :3]
        if strength < 1:
            flat = torch.lerp(source, flat, strength)
        made = inner(output[: recipe.batch])
        terms = reconstruction(made[:, :3], inner(flat), 0.0)
        losses = {"anchor": terms["pixel"] + terms["edges"] + terms["colour"], "flat": terms["sharpness"]}
        losses["temporal"] = steadiness(output[recipe.batch :], output[: recipe.moved], motion)
        if made.shape[1] > 3:
            losses["line"] = (made[:, 3:] - inner(aim[:, 3:])).abs().mean()
        if judged:
            losses |= self._seen(inked(made, self.ink), inner(source), index)
            if self.heads is not None:
                losses["contrast"] = self._contrast(output[: recipe.batch, :3], flat, index)
        return losses

    def _seen(self, painted: Tensor, source: Tensor, index: int) -> dict[str, Tensor]:
        """Among the pictures' colours and features, and beside its own photograph's."""
        recipe, random = self.recipe, generator(self.recipe.run.seed, 43, index)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=recipe.precision == "bf16"):
            maps = self.eye.forward_features(painted)
            with torch.no_grad():
                photo = self.eye.forward_features(source[:1])
        losses = {
            "palette": self.reference.palette(painted, random, recipe.places),
            "texture": self.reference.texture(maps, random, recipe.places),
            "statistics": statistics_loss(maps, self.reference.statistics),
            "content": unit_distance(
                [one[:1].float() for one in maps[2:4]], [one.float() for one in photo[2:4]]
            ),
        }
        if self.critic is not None:
            chosen = torch.randint(len(self.reference.crops), (recipe.batch,), generator=random)
            real = [one[chosen.to(one.device)] for one in self.reference.maps]
            loss = self.critic.loss(maps, real)
            self.critic_optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.critic_optimizer.step()
            losses |= {"adversarial": self.critic.blame(maps), "critic": loss.detach()}
        return losses

    def _contrast(self, painted: Tensor, target: Tensor, index: int) -> Tensor:
        """StylePatchNCE: a place of the result is like the same place of the target, unlike its others."""
        assert self.heads is not None
        queries = self.net.encode(painted)
        with torch.no_grad():
            keys = self.net.encode(target)
        places = draw_places(queries, 64, (self.recipe.run.seed, 44, index), 0)
        with torch.no_grad():
            known = self.heads(keys, places)
        found = self.heads(queries, places)
        return over_layers([patch_nce(q, k) for q, k in zip(found, known, strict=True)])
