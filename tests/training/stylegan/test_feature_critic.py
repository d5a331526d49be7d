"""The discriminator on frozen features: it learns, it pulls, it is kept, and its eye isn't."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from toy_stylegan import toy_recipe
from toy_translator import TINY, apart, tiny, weights, write_data

from scenivid.errors import ConfigError
from scenivid.perception.efficientnet import EfficientNetLite0
from scenivid.training.losses.feature_critic import FeatureCritic
from scenivid.training.programs import stylegan, translator
from scenivid.training.recipe import load_recipe
from scenivid.training.run.checkpoint import read_checkpoint
from scenivid.training.run.log import read_log
from scenivid.training.translator import program


@pytest.fixture
def eye(monkeypatch: pytest.MonkeyPatch) -> EfficientNetLite0:
    """With random weights, for the programs too."""
    torch.manual_seed(0)
    made = EfficientNetLite0().requires_grad_(False)
    for module in (stylegan, program):
        monkeypatch.setattr(module, "load_efficientnet", lambda _: made)
    return made


def test_it_learns_to_tell_real_from_fake_and_its_blame_reaches_the_fake_alone(
    eye: EfficientNetLite0,
) -> None:
    real, fake = torch.rand(8, 3, 32, 32) * 0.3, torch.rand(8, 3, 32, 32) * 0.3 + 0.7
    critic = FeatureCritic(eye, real, side=32)
    optimizer = torch.optim.Adam(critic.parameters(), 1e-2)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = critic(fake, real)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    optimizer.zero_grad()
    asked = fake.clone().requires_grad_(True)
    critic.blame(asked).backward()
    assert asked.grad is not None and asked.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in critic.parameters())
    assert all(weight.requires_grad for weight in critic.parameters())


def test_it_holds_its_heads_and_not_the_eye(eye: EfficientNetLite0) -> None:
    critic = FeatureCritic(eye, torch.rand(2, 3, 32, 32), side=48)
    assert all(key.startswith("heads.") for key in critic.state_dict())


def test_a_stopped_stylegan_goes_on_with_its_critic_as_if_it_had_not_been(
    eye: EfficientNetLite0, photos: Path, tmp_path: Path
) -> None:
    def recipe(*more: str) -> stylegan.Recipe:
        return toy_recipe(photos, "gan.features=0.5", "gan.features_side=32", *more)

    stylegan.run(recipe(), tmp_path / "whole")
    stylegan.run(recipe("run.steps=2"), tmp_path / "parts")
    stylegan.run(recipe(), tmp_path / "parts")
    assert "features" in read_log(tmp_path / "whole" / "log.jsonl")[0]
    assert any(
        "heads" in key for key in read_checkpoint(tmp_path / "whole" / "checkpoint.pt")["state"]["critic"]
    )
    assert apart(weights(tmp_path / "parts").values(), weights(tmp_path / "whole").values()) == 0


def test_a_translator_learns_with_it(eye: EfficientNetLite0, tmp_path: Path) -> None:
    write_data(tmp_path)
    recipe = tiny(tmp_path, "weights.features=0.5", "features_side=32", "run.steps=2")
    translator.run(recipe, tmp_path / "plan", dry_run=True)
    translator.run(recipe, tmp_path / "out")
    logged = read_log(tmp_path / "out" / "log.jsonl")[0]
    assert logged["critic"] > 0 and logged["features"] > 0
    plain = tiny(tmp_path, "run.steps=2")
    translator.run(plain, tmp_path / "plain")
    assert "critic" not in read_log(tmp_path / "plain" / "log.jsonl")[0]


def test_pairs_may_be_cut_otherwise_than_photographs(tmp_path: Path) -> None:
    write_data(tmp_path)
    recipe = tiny(tmp_path, "augment.zoom_min=2.0", "augment.zoom_max=3.0")
    own = tiny(tmp_path, "augment.zoom_min=2.0", "augment.zoom_max=3.0", *_pair_augment(32))
    alike, apart_ = translator.open_sets(recipe), translator.open_sets(own)
    assert torch.equal(alike["photo"][0], apart_["photo"][0])  # type: ignore[arg-type]
    assert not torch.equal(alike["pair"][0]["source"], apart_["pair"][0]["source"])  # type: ignore[index,call-overload]


def test_pairs_of_another_size_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"pair_augment\.size 48 must be augment\.size 32"):
        load_recipe(translator.Recipe, None, [*TINY, *_pair_augment(48)])


def _pair_augment(size: int) -> list[str]:
    return [f"pair_augment.size={size}", "pair_augment.zoom_min=1.0", "pair_augment.zoom_max=1.0"]
