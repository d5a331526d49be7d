"""16-bit numbers, the loss scale, compilation: the same learning as without."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from toy_translator import apart, tiny

from scenivid.training.losses.temporal import MotionSettings, draw_motion
from scenivid.training.run import speed
from scenivid.training.run.speed import Mixed, adam, compiled, laid_out
from scenivid.training.translator.program import TranslatorProgram
from scenivid.training.translator.recipe import Recipe, open_sets

CPU = torch.device("cpu")


def test_fp16_scales_the_loss_and_takes_the_same_step() -> None:
    steps = {}
    for precision in ("fp32", "fp16"):
        torch.manual_seed(0)
        net, mixed = nn.Linear(8, 8), Mixed(CPU, precision)
        optimizer = torch.optim.SGD(net.parameters(), 0.1)
        with mixed.cast():
            loss = net(torch.linspace(-1, 1, 16).view(2, 8)).float().square().mean()
        scaled = mixed.scale(loss)
        assert float(scaled.detach() / loss.detach()) == (2.0**16 if precision == "fp16" else 1)
        scaled.backward()
        mixed.step(optimizer, clip=0.1)
        mixed.update()
        steps[precision] = net.weight.detach().clone()
    torch.testing.assert_close(steps["fp16"], steps["fp32"], atol=1e-4, rtol=0)


def test_a_step_that_overflows_is_left_out_and_the_scale_halved() -> None:
    net, mixed = nn.Linear(2, 1), Mixed(CPU, "fp16")
    optimizer, before = torch.optim.SGD(net.parameters(), 0.1), net.weight.detach().clone()
    mixed.scale(net(torch.full((1, 2), 1e38)).sum() * 10).backward()
    mixed.step(optimizer)
    mixed.update()
    assert torch.equal(net.weight, before) and mixed.scaler.get_scale() == 2.0**15
    again = Mixed(CPU, "fp16")
    again.state()["scaler"].load_state_dict(mixed.state()["scaler"].state_dict())
    assert again.scaler.get_scale() == 2.0**15
    assert Mixed(CPU, "bf16").state() == {}


def test_gradients_are_joined_before_they_are_judged() -> None:
    net, mixed = nn.Linear(2, 1, bias=False), Mixed(CPU, "fp16")
    optimizer = torch.optim.SGD(net.parameters(), 1.0)

    def of_another_process(weights: list[nn.Parameter]) -> None:
        assert weights[0].grad is not None
        weights[0].grad.fill_(float("inf"))

    before = net.weight.detach().clone()
    mixed.scale(net(torch.ones(1, 2)).sum()).backward()
    mixed.step(optimizer, joined=of_another_process)
    assert torch.equal(net.weight, before)


def old_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (7, 5))


def test_cards_without_bfloat16_take_float16(monkeypatch: pytest.MonkeyPatch) -> None:
    old_card(monkeypatch)
    assert speed._dtype(torch.device("cuda"), "bf16") is torch.float16
    assert speed._dtype(torch.device("cuda"), "fp32") is torch.float32
    assert speed._dtype(CPU, "bf16") is torch.bfloat16


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_the_translator_learns_about_the_same_in_16_bits(
    data: Path, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "_SCALE", 1 / 16)  # so that even the first step is taken

    def losses(recipe: Recipe) -> dict[str, float]:
        with TranslatorProgram(recipe, open_sets(recipe)) as program:
            before = [weight.detach().clone() for weight in program.net.parameters()]
            told = program.step(0)
            moved = list(program.net.parameters())
            assert all(bool(weight.isfinite().all()) for weight in moved)
            assert any(not torch.equal(a, b) for a, b in zip(before, moved, strict=True))
            return {name: float(value) for name, value in told.items()}

    exact, coarse = losses(tiny(data)), losses(tiny(data, f"precision={precision}"))
    assert coarse.keys() == exact.keys()
    assert coarse["g"] == pytest.approx(exact["g"], rel=0.05)


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # dynamo looks at every input's
def test_a_compiled_network_keeps_its_names_and_its_learning(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "_BACKEND", "eager")  # the tracing is what could differ

    def weights(recipe: Recipe) -> dict[str, torch.Tensor]:
        with TranslatorProgram(recipe, open_sets(recipe)) as program:
            program.step(0)
            return program.parts["g"].state_dict()

    plain, made = weights(tiny(data)), weights(tiny(data, "compile=true"))
    assert plain.keys() == made.keys()
    assert apart(plain.values(), made.values()) < 1e-3


def test_on_the_cpu_nothing_is_laid_out_fused_or_compiled() -> None:
    net = laid_out(nn.Conv2d(4, 4, 3), CPU)
    assert net.weight.is_contiguous()
    assert not adam(net.parameters(), 1e-3, (0.5, 0.9), CPU).defaults["fused"]
    compiled(net, False)
    assert net._compiled_call_impl is None


def test_motion_on_another_device_has_the_same_shifts(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = draw_motion((2, 3, 16, 24), MotionSettings(bend=0, noise=0), (1,), 0)
    there = draw_motion((2, 3, 16, 24), MotionSettings(bend=0, noise=0), (1,), 0, torch.device("cpu"))
    torch.testing.assert_close(plain.flow, there.flow)
