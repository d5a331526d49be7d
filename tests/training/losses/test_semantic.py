"""Semantic encoders: normalised, aware of places, differentiable to the image and not to the keys."""

from __future__ import annotations

from pathlib import Path

import open_clip
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scenivid.errors import CheckpointError
from scenivid.perception.boxes import crop_boxes
from scenivid.perception.clip_encoder import ClipEncoder, load_clip
from scenivid.perception.efficientnet import EfficientNetLite0
from scenivid.perception.perceptual import unit_distance
from scenivid.perception.semantic import EfficientNetEncoder, SemanticEncoder, VggEncoder
from scenivid.perception.vgg import TAPS, Vgg19, load_vgg19
from scenivid.training.losses.semantic import (
    directional_loss,
    draw_boxes,
    embedding_distance,
    image_direction,
    patch_contrast,
)
from scenivid.training.run.random_state import generator


def tiny_clip() -> ClipEncoder:
    vision = open_clip.model.CLIPVisionCfg(layers=1, width=64, head_width=32, patch_size=16, image_size=32)
    text = open_clip.model.CLIPTextCfg(layers=1, width=32, heads=2)
    return ClipEncoder(open_clip.model.CLIP(24, vision, text).requires_grad_(False).eval())


def lively_efficientnet() -> EfficientNetEncoder:
    network = EfficientNetLite0()
    for layer in network.modules():  # torch's own start fades to nothing over fifty layers without norms
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    return EfficientNetEncoder(network.requires_grad_(False).eval(), 64)


MAKERS = {
    "efficientnet": lively_efficientnet,
    "vgg19": lambda: VggEncoder(Vgg19().requires_grad_(False).eval()),
    "clip": tiny_clip,
}


@pytest.fixture(params=MAKERS, scope="module")
def encoder(request: pytest.FixtureRequest) -> SemanticEncoder:
    """Untrained networks: their shapes and gradients are what is tested."""
    torch.manual_seed(0)
    made: SemanticEncoder = MAKERS[request.param]()
    return made


def images(seed: int, count: int = 2) -> Tensor:
    coarse = torch.rand(count, 3, 6, 8, generator=generator(seed))
    return F.interpolate(coarse, size=(48, 64), mode="bilinear")


def test_embeddings_have_length_one_and_belong_to_their_image(encoder: SemanticEncoder) -> None:
    x, boxes = images(0), draw_boxes(5, generator(1))
    whole, parts = encoder.global_embedding(x), encoder.patch_embeddings(x, boxes)
    assert whole.shape[0] == 2 and parts.shape[:2] == (2, 5)
    torch.testing.assert_close(whole.norm(dim=1), torch.ones(2))
    torch.testing.assert_close(parts.norm(dim=2), torch.ones(2, 5))
    torch.testing.assert_close(encoder.patch_embeddings(x[1:], boxes), parts[1:], atol=1e-5, rtol=0)


def test_distances_vanish_for_equal_images(encoder: SemanticEncoder) -> None:
    x, y = images(0), images(1)
    assert abs(float(encoder.distance(x, x))) < 1e-5 < float(encoder.distance(x, y))
    assert abs(float(embedding_distance(encoder, x, x))) < 1e-5


def test_gradients_reach_the_query_and_not_the_keys(encoder: SemanticEncoder) -> None:
    x, y = images(0).requires_grad_(), images(1).requires_grad_()
    patch_contrast(encoder, x, y, draw_boxes(4, generator(0))).backward()
    assert x.grad is None and y.grad is not None and y.grad.abs().sum() > 0
    encoder.distance(images(1).requires_grad_(), images(0)).backward()


def test_the_direction_of_the_domain_costs_nothing(encoder: SemanticEncoder) -> None:
    x, y = images(0, 1), images(1, 1)
    along = image_direction(encoder, [x], [y])
    assert float(directional_loss(encoder, x, y, along)) == pytest.approx(0, abs=1e-3)
    assert float(directional_loss(encoder, y, x, along)) == pytest.approx(2, abs=1e-3)


def test_patch_contrast_is_the_formula() -> None:
    class Given:
        name = "given"

        def patch_embeddings(self, x: Tensor, boxes: Tensor) -> Tensor:
            return F.normalize(x.flatten(2).transpose(1, 2)[:, : len(boxes)], dim=2)

    x, y = images(0), images(1)
    value = patch_contrast(Given(), x, y, torch.zeros(4, 4))  # type: ignore[arg-type]
    q, k = (Given().patch_embeddings(z, torch.zeros(4, 4)) for z in (y, x))
    expected = 0.0
    for n in range(2):
        for i in range(4):
            row = torch.tensor([float(q[n, i] @ k[n, j]) / 0.07 for j in range(4)])
            expected += float(row.exp().sum().log() - row[i]) / 8
    assert float(value) == pytest.approx(expected, abs=1e-5)


def test_boxes_lie_inside_and_crops_are_what_they_name() -> None:
    boxes = draw_boxes(200, generator(0), 0.2, 0.5)
    assert boxes.min() >= 0 and boxes.max() <= 1
    sides = boxes[:, 2:] - boxes[:, :2]
    assert sides.min() >= 0.19999 and sides.max() <= 0.50001
    ramp = torch.linspace(0, 1, 64).expand(1, 1, 64, 64)
    crop = crop_boxes(ramp, torch.tensor([[0.25, 0.0, 0.75, 1.0]]), 4)
    torch.testing.assert_close(crop[0, 0, 0], torch.tensor([0.31, 0.44, 0.56, 0.69]), atol=0.01, rtol=0)


def test_unit_distance_is_lpips_without_weights() -> None:
    a, b = torch.rand(2, 5, 3, 3), torch.rand(2, 5, 3, 3)
    unit = [t / t.norm(dim=1, keepdim=True) for t in (a, b)]
    torch.testing.assert_close(unit_distance([a], [b]), (unit[0] - unit[1]).pow(2).sum(1).mean())


@pytest.mark.slow
def test_vgg19_takes_the_published_layout_strictly(tmp_path: Path) -> None:
    import torchvision

    torch.manual_seed(1)
    published = torchvision.models.vgg19(weights=None)
    kept = {k: v for k, v in published.state_dict().items() if k.startswith("features.")}
    torch.save(kept, tmp_path / "vgg19.pth")
    network = load_vgg19(weights=tmp_path / "vgg19.pth")
    x = images(0)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    scaled = (x - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    maps = network.forward_features(x)
    assert [m.shape[1] for m in maps] == [64, 128, 256, 512] and list(TAPS)[-1] == "conv4_4"
    torch.testing.assert_close(maps[-1], published.features[:26](scaled))
    del kept["features.25.bias"]
    torch.save(kept, tmp_path / "short.pth")
    with pytest.raises(CheckpointError, match="doesn't hold VGG19"):
        load_vgg19(weights=tmp_path / "short.pth")


def test_weights_that_are_missing_are_one_clear_error(tmp_path: Path) -> None:
    for load in (load_vgg19, load_clip):
        with pytest.raises(CheckpointError, match=r"no such file: .*none\.pth"):
            load(weights=tmp_path / "none.pth")


def test_clip_text_gives_a_direction() -> None:
    direction = tiny_clip().text_direction("photo", "anime painting")
    assert direction.shape == (24,) and float(direction.norm()) == pytest.approx(1, abs=1e-5)
