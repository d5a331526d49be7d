"""Losses: equal to plain numpy transcriptions of the paper's formulas, the right sides detached."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from scenivid.errors import ConfigError
from scenivid.training.losses.adversarial import (
    curriculum,
    discriminator_loss,
    epoch_of,
    judge,
    lsgan,
    masked_mean,
    pair_weight,
)
from scenivid.training.losses.contrastive import (
    ContrastSettings,
    ProjectionHeads,
    draw_places,
    gather,
    hard_weights,
    hdce,
    over_layers,
    patch_nce,
    src,
)

Array = NDArray[np.float64]
TAU = 0.07


def features(seed: int, count: int = 3, places: int = 7, width: int = 5) -> Tensor:
    torch.manual_seed(seed)
    return F.normalize(torch.randn(count, places, width, dtype=torch.float64), dim=2)


def softmax(row: Array) -> Array:
    raised = np.exp(row - row.max())
    return raised / raised.sum()


def nce_by_hand(q: Array, k: Array) -> float:
    total = 0.0
    for i in range(len(q)):
        cosines = [q[i] @ k[j] for j in range(len(k))]
        total += -math.log(softmax(np.array(cosines) / TAU)[i])
    return total / len(q)


def weights_by_hand(k: Array, gamma: float) -> Array:
    rows = []
    for i in range(len(k)):
        alike = np.array([-10.0 if i == j else k[i] @ k[j] for j in range(len(k))])
        row = softmax(alike / gamma)
        rows.append(row / row.max())
    return np.stack(rows)


def hdce_by_hand(q: Array, k: Array, gamma: float) -> float:
    w, total = weights_by_hand(k, gamma), 0.0
    for i in range(len(q)):
        negatives = [-10.0 if i == j else w[i, j] * (q[i] @ k[j]) for j in range(len(k))]
        total += math.log(sum(math.exp((negative - q[i] @ k[i]) / TAU) for negative in negatives))
    return total / len(q)


def src_by_hand(q: Array, k: Array) -> float:
    total = 0.0
    for column in range(len(q)):
        p = softmax(np.array([q[row] @ q[column] for row in range(len(q))]))
        r = softmax(np.array([k[row] @ k[column] for row in range(len(k))]))
        m = (p + r) / 2
        total += 0.5 * float(np.sum(p * np.log(p / m)) + np.sum(r * np.log(r / m)))
    return total


@pytest.mark.parametrize("gamma", [50.0, 10.0, 0.5])
def test_contrastive_losses_equal_their_formulas(gamma: float) -> None:
    q, k = features(0), features(1)
    by_hand = {"nce": 0.0, "hdce": 0.0, "src": 0.0}
    for n in range(len(q)):  # at any batch size: the mean over images
        a, b = q[n].numpy(), k[n].numpy()
        by_hand["nce"] += nce_by_hand(a, b) / len(q)
        by_hand["hdce"] += hdce_by_hand(a, b, gamma) / len(q)
        by_hand["src"] += src_by_hand(a, b) / len(q)
        np.testing.assert_allclose(hard_weights(k, gamma)[n].numpy(), weights_by_hand(b, gamma), atol=1e-9)
    assert float(patch_nce(q, k, TAU)) == pytest.approx(by_hand["nce"], abs=1e-5)
    assert float(hdce(q, k, gamma, TAU)) == pytest.approx(by_hand["hdce"], abs=1e-5)
    assert float(src(q, k)) == pytest.approx(by_hand["src"], abs=1e-5)


@pytest.mark.parametrize("loss", [patch_nce, lambda q, k: hdce(q, k, 20.0), src])
def test_a_batch_costs_the_mean_of_its_images(loss: object) -> None:  # defect 5 of the official code
    q, k = features(0), features(1)
    alone = [loss(q[n : n + 1], k[n : n + 1]) for n in range(3)]  # type: ignore[operator]
    torch.testing.assert_close(loss(q, k), torch.stack(alone).mean())  # type: ignore[operator]


@pytest.mark.parametrize("loss", [patch_nce, lambda q, k: hdce(q, k, 20.0), src])
def test_queries_get_the_true_gradient_and_keys_none(loss: object) -> None:
    q, k = features(0, 1, 4, 3).requires_grad_(), features(1, 1, 4, 3).requires_grad_()
    loss(q, k).backward()  # type: ignore[operator]
    assert k.grad is None and q.grad is not None and q.grad.abs().sum() > 0
    assert torch.autograd.gradcheck(lambda x: loss(x, k.detach()), (q,))  # type: ignore[operator]


def test_hdce_leaves_the_positive_out_of_the_denominator() -> None:
    q = features(0, 1, 6)
    perfect, contrast = hdce(q, q, 50.0), patch_nce(q, q)
    assert float(perfect) < 0 < float(contrast)  # with the positive inside it could not fall below 0


def test_relations_that_agree_cost_nothing() -> None:
    q = features(0)
    turn = torch.linalg.qr(torch.randn(5, 5, dtype=torch.float64))[0]
    assert abs(float(src(q, q @ turn))) < 1e-12  # only the relations count, not the features


def test_a_lower_gamma_sharpens_the_weights() -> None:
    k = features(3)
    spread = [float(hard_weights(k, gamma).amin()) for gamma in (50.0, 10.0, 1.0)]
    assert spread == sorted(spread, reverse=True) and float(hard_weights(k, 10.0).amax()) == 1


def test_heads_exist_before_the_first_pass_and_see_the_same_places() -> None:
    heads = ProjectionHeads((3, 8), width=6)
    assert sum(p.numel() for p in heads.parameters()) == (3 * 6 + 6 + 6 * 6 + 6) + (8 * 6 + 6 + 6 * 6 + 6)
    layers = [torch.rand(2, 3, 9, 9), torch.rand(2, 8, 3, 4)]
    places = draw_places(layers, 10, (0, 5), first=0)
    assert [tuple(p.shape) for p in places] == [(2, 10), (2, 10)]
    projected = heads(layers, places)
    assert [tuple(p.shape) for p in projected] == [(2, 10, 6)] * 2
    torch.testing.assert_close(projected[1].norm(dim=2), torch.ones(2, 10))
    picked = gather(layers[0], places[0])
    row, column = int(places[0][1, 4]) // 9, int(places[0][1, 4]) % 9
    assert torch.equal(picked[1, 4], layers[0][1, :, row, column])


def test_places_depend_on_the_image_number_and_not_on_the_batch() -> None:
    layer = torch.rand(4, 3, 8, 8)
    joint = draw_places([layer], 16, (1, 2), first=0)[0]
    second = draw_places([layer[2:]], 16, (1, 2), first=2)[0]
    assert torch.equal(joint[2:], second)
    assert not torch.equal(joint[0], joint[1])
    assert all(len(set(row.tolist())) == 16 for row in joint)
    assert not torch.equal(joint, draw_places([layer], 16, (1, 3), first=0)[0])


def test_lsgan_is_the_formula() -> None:
    fake, real = torch.rand(2, 1, 3, 3), torch.rand(2, 1, 3, 3)
    assert float(lsgan(fake, True)) == pytest.approx(float(((fake.numpy() - 1) ** 2).mean()), abs=1e-6)
    expected = 0.5 * ((fake.numpy() ** 2).mean() + ((real.numpy() - 1) ** 2).mean())
    assert float(discriminator_loss(fake, real)) == pytest.approx(float(expected), abs=1e-6)


def test_judging_leaves_the_critic_alone() -> None:
    critic, x = nn.Conv2d(3, 1, 3), torch.rand(1, 3, 5, 5, requires_grad=True)
    lsgan(judge(critic, x), True).backward()
    assert x.grad is not None and all(p.grad is None for p in critic.parameters())
    torch.testing.assert_close(judge(critic, x), critic(x))


def test_the_supervised_branch_fades_and_the_official_one_does_not() -> None:  # defect 1
    ours = [pair_weight(epoch, 20) for epoch in range(1, 21)]
    assert ours[0] == 1 and ours == sorted(ours, reverse=True)
    assert ours[10] == pytest.approx(math.cos(math.pi / 4)) and 0 < ours[-1] < 0.08
    assert [pair_weight(epoch, 20, official=True) for epoch in range(1, 21)] == pytest.approx([1.0] * 20)


def test_epochs_and_curriculum() -> None:
    assert [epoch_of(step, 100, 20) for step in (0, 4, 5, 99, 100)] == [1, 1, 2, 20, 20]
    assert curriculum(0, 101) == 50 and curriculum(50, 101) == 30 and curriculum(100, 101) == 10


def test_masked_mean_ignores_what_is_hidden() -> None:
    values = torch.tensor([[[[1.0, 5.0]], [[3.0, 7.0]]]])
    assert float(masked_mean(values, torch.tensor([[[[1.0, 0.0]]]]))) == 2
    assert float(masked_mean(values, torch.zeros(1, 1, 1, 2))) == 0


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ConfigError):
        ContrastSettings(temperature=0)


def test_layers_count_the_same() -> None:
    assert float(over_layers([torch.tensor(1.0), torch.tensor(3.0)])) == 2
