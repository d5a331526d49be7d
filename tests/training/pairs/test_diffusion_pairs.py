"""`train pairs --source diffusers`: a pretended pipeline, and diffusers' own with small random networks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from scenivid.cli import main
from scenivid.errors import CheckpointError, ConfigError, DataError, DependencyError
from scenivid.training.data.samples import find_pairs
from scenivid.training.pairs import diffusion
from scenivid.training.pairs.diffusion import DiffusionPairs, DiffusionSettings, edges, open_pipeline
from scenivid.training.pairs.program import read_manifest
from scenivid.training.pairs.recipe import Recipe
from scenivid.training.programs.pairs import run
from scenivid.training.recipe import load_recipe


class Pipeline:
    """Paints the photograph darker and adds noise of the seed; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.placed: list[str] = []

    def to(self, device: object) -> Pipeline:
        self.placed.append(str(device))
        return self

    def set_progress_bar_config(self, disable: bool) -> None:
        assert disable

    def __call__(self, **options: Any) -> SimpleNamespace:
        self.asked.append(options)
        image: Tensor = options["image"]
        seeds = options["generator"] if isinstance(options["generator"], list) else [options["generator"]]
        noise = torch.stack([torch.rand(image.shape[1:], generator=seed) for seed in seeds])
        return SimpleNamespace(images=0.7 * image + 0.1 * noise)


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """In place of diffusers: its loaders give this pipeline, and every model is in the cache."""
    made = Pipeline()

    def load(name: str, **how: Any) -> Any:
        assert how["use_safetensors"] is True
        return made

    loader = SimpleNamespace(from_pretrained=load)
    fake = SimpleNamespace(
        AutoPipelineForImage2Image=loader, DiffusionPipeline=loader, ControlNetModel=loader
    )
    hub = SimpleNamespace(try_to_load_from_cache=lambda name, file: "cached")
    for name, module in (("diffusers", fake), ("transformers", SimpleNamespace()), ("huggingface_hub", hub)):
        monkeypatch.setitem(sys.modules, name, module)  # type: ignore[arg-type]
    return made


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder, rng = tmp_path / "photos", np.random.default_rng(0)
    folder.mkdir()
    for i in range(3):
        Image.fromarray(rng.integers(0, 255, (70, 80, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    return folder


def toy(photos: Path, *sets: str) -> Recipe:
    own = ["pairs=diffusers", f"photo.photos={photos.as_posix()}", "photo.size=32", "diffusion.side=48",
           "candidates=10", "batch=4", "segmenter=none", "run.tensorboard=false"]  # fmt: skip
    return load_recipe(Recipe, None, [*own, *sets])


def numbers(pipeline: Pipeline) -> int:
    return sum(len(asked["image"]) for asked in pipeline.asked)


def test_pairs_are_made_at_the_models_size_with_a_seed_each(
    photos: Path, pipeline: Pipeline, tmp_path: Path
) -> None:
    out = run(toy(photos, "diffusion.strength=0.3", "diffusion.prompt=a meadow"), tmp_path / "out")
    asked = pipeline.asked[0]
    assert asked["prompt"] == ["a meadow"] * 4 and asked["strength"] == 0.3
    assert asked["image"].shape == asked["control_image"].shape == (4, 3, 48, 48)
    assert set(np.unique(asked["control_image"].numpy())) <= {0.0, 1.0}
    seeds = [made.initial_seed() for one in pipeline.asked for made in one["generator"]]
    assert len(set(seeds)) == len(seeds) == 10
    assert len(find_pairs(out)) == 10 and not (out / ".made").exists()
    assert cv2.imread(str(out / "anime" / "0000000.png")).shape == (32, 32, 3)


def test_an_edit_model_gets_one_picture_at_a_time(photos: Path, pipeline: Pipeline, tmp_path: Path) -> None:
    run(toy(photos, "diffusion.kind=edit", "candidates=3"), tmp_path / "out")
    assert [len(asked["image"]) for asked in pipeline.asked] == [1, 1, 1]
    assert isinstance(pipeline.asked[0]["prompt"], str) and "control_image" not in pipeline.asked[0]


def test_what_a_pipeline_doesnt_know_isnt_handed_over(photos: Path) -> None:
    class Editor:
        def __call__(self, image: Tensor, prompt: str, generator: torch.Generator) -> SimpleNamespace:
            return SimpleNamespace(images=image)

    class Photos:
        def __getitem__(self, index: int) -> Tensor:
            return torch.full((3, 32, 32), index, dtype=torch.uint8)

    source = DiffusionPairs(Photos(), Editor(), DiffusionSettings(kind="edit", side=32), 32)  # type: ignore[arg-type]
    real, anime = source.pairs(3, 2)
    assert torch.equal(real, anime) and round(float(real[1, 0, 0, 0]) * 255) == 4


def test_a_pair_is_made_once_over_calibration_stops_and_sheets(
    photos: Path, pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = ["segmenter=clusters", "selection.calibration_pairs=8", "selection.min_classes=1",
            "selection.best_share=0.7", "save_dropped=true"]  # fmt: skip
    whole = run(toy(photos, *sets), tmp_path / "whole")
    assert numbers(pipeline) == 10 and (whole / "kept.jpg").exists()
    call, calls = Pipeline.__call__, []

    def die(self: Pipeline, **options: Any) -> SimpleNamespace:
        calls.append(1)
        if len(calls) in (2, 4):
            raise KeyboardInterrupt
        return call(self, **options)

    monkeypatch.setattr(Pipeline, "__call__", die)
    for _ in range(3):
        try:
            parts = run(toy(photos, *sets), tmp_path / "parts")
            break
        except KeyboardInterrupt:
            continue
    assert numbers(pipeline) == 20  # ten more, none twice
    assert read_manifest(parts) == read_manifest(whole)
    for path in (whole / "anime").iterdir():
        assert path.read_bytes() == (parts / "anime" / path.name).read_bytes()
    run(toy(photos, *sets), parts)
    assert numbers(pipeline) == 20  # finished: nothing is painted for the sheets either


def test_blank_pictures_are_dropped(
    photos: Path, pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def filtered(self: Pipeline, **options: Any) -> SimpleNamespace:
        images = options["image"].clone()
        images[0] = 0  # what a safety filter gives
        return SimpleNamespace(images=images)

    monkeypatch.setattr(Pipeline, "__call__", filtered)
    rows = read_manifest(run(toy(photos), tmp_path / "out"))
    assert [row["index"] for row in rows if not row["kept"]] == [0, 4, 8]


def test_without_the_packages_it_is_refused_at_once(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(DependencyError, match=r"scenivid\[pairs\]"):
        run(toy(photos), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_the_models_it_is_refused_at_once_or_planned(
    photos: Path, pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(sys.modules["huggingface_hub"], "try_to_load_from_cache", lambda name, file: None)
    monkeypatch.setattr(diffusion, "reachable", lambda host: False)
    with pytest.raises(CheckpointError, match=r"stable-diffusion-xl.*controlnet-canny.*give its folder"):
        run(toy(photos), tmp_path / "out")
    run(toy(photos), tmp_path / "out", dry_run=True)
    assert "would be downloaded" in caplog.text and not (tmp_path / "out").exists() and not pipeline.asked
    for wrong, says in (("/nowhere/model", "no such folder"), (str(tmp_path), "holds no model of diffusers")):
        with pytest.raises(CheckpointError, match=says):
            run(toy(photos, f"diffusion.model={json.dumps(wrong)}"), tmp_path / "out")


def test_settings_without_sense_are_refused() -> None:
    for wrong in ({"strength": 0.0}, {"side": 100}, {"steps": 1, "strength": 0.2}):
        with pytest.raises(ConfigError):
            DiffusionSettings(**wrong)  # type: ignore[arg-type]


def test_edges_are_where_the_picture_changes() -> None:
    image = torch.zeros(1, 3, 32, 32)
    image[..., 16:] = 1
    found = edges(image)
    assert found.shape == image.shape and float(found[..., 10:22].sum()) == float(found.sum()) > 0


def test_one_command_makes_pairs(
    photos: Path, pipeline: Pipeline, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    words = ["train", "pairs", "--source", "diffusers", "--photos", str(photos), "--out", out,
             "--set", "candidates=2", "--set", "segmenter=none", "--set", "diffusion.side=48"]  # fmt: skip
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 0 and len(find_pairs(tmp_path / "out")) == 2
    with pytest.raises(SystemExit) as stopped:
        main(["train", "lite", "--source", "diffusers"])
    assert stopped.value.code == 2


def test_a_pipeline_that_gives_something_else_is_named(photos: Path) -> None:
    class Odd:
        def __call__(self, **options: Any) -> SimpleNamespace:
            return SimpleNamespace(images=torch.zeros(1, 4, 8, 8))

    class Photos:
        def __getitem__(self, index: int) -> Tensor:
            return torch.zeros(3, 32, 32, dtype=torch.uint8)

    with pytest.raises(DataError, match="for 2 pictures"):
        DiffusionPairs(Photos(), Odd(), DiffusionSettings(side=32), 32).pairs(0, 2)  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["img2img", "controlnet", "edit"])
def test_diffusers_own_pipelines_take_it(kind: str, photos: Path, tmp_path: Path) -> None:
    diffusers = pytest.importorskip("diffusers")
    transformers = pytest.importorskip("transformers")
    _save_small_model(diffusers, transformers, tmp_path / "model", tmp_path / "control", kind)
    settings = DiffusionSettings(
        kind=kind,  # type: ignore[arg-type]
        model=str(tmp_path / "model"),
        controlnet=str(tmp_path / "control"),
        side=64,
        steps=2,
    )
    pipeline = open_pipeline(settings, torch.device("cpu"))

    class Photos:
        def __getitem__(self, index: int) -> Tensor:
            return torch.randint(0, 256, (3, 64, 64), generator=torch.Generator().manual_seed(index)).byte()

    source = DiffusionPairs(Photos(), pipeline, settings, 32)  # type: ignore[arg-type]
    real, anime = source.pairs(0, 2)
    assert real.shape == anime.shape == (2, 3, 32, 32) and 0 <= float(anime.min()) < float(anime.max()) <= 1
    torch.testing.assert_close(source.pairs(1, 1)[1][0], anime[1], atol=2e-2, rtol=0)


def _save_small_model(diffusers: Any, transformers: Any, model: Path, control: Path, kind: str) -> None:
    """Stable Diffusion's parts with a few random weights each."""
    torch.manual_seed(0)
    sizes = {
        "block_out_channels": (32, 64),
        "layers_per_block": 1,
        "cross_attention_dim": 32,
        "norm_num_groups": 8,
    }
    down = ("DownBlock2D", "CrossAttnDownBlock2D")
    channels = 8 if kind == "edit" else 4
    unet = diffusers.UNet2DConditionModel(
        sample_size=32, in_channels=channels, out_channels=4, down_block_types=down, attention_head_dim=4,
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), **sizes,
    )  # fmt: skip
    vae = diffusers.AutoencoderKL(
        block_out_channels=[32, 64], in_channels=3, out_channels=3, latent_channels=4, norm_num_groups=8,
        down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2,
    )  # fmt: skip
    letters = "abcdefghijklmnopqrstuvwxyz,"
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    words = {token: number for number, token in enumerate(tokens)}
    model.mkdir(parents=True)
    (model / "vocab.json").write_text(json.dumps(words))
    (model / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizer(
        str(model / "vocab.json"), str(model / "merges.txt"), model_max_length=77
    )
    config = transformers.CLIPTextConfig(
        hidden_size=32, intermediate_size=37, num_attention_heads=4, num_hidden_layers=1,
        vocab_size=len(words), bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    text = transformers.CLIPTextModel(config)
    parts = {"unet": unet, "vae": vae, "tokenizer": tokenizer, "text_encoder": text,
             "scheduler": diffusers.DDIMScheduler(), "feature_extractor": None,
             "safety_checker": None}  # fmt: skip
    cls = (
        diffusers.StableDiffusionInstructPix2PixPipeline
        if kind == "edit"
        else diffusers.StableDiffusionPipeline
    )
    cls(**parts, requires_safety_checker=False).save_pretrained(model)
    diffusers.ControlNetModel(
        in_channels=4, down_block_types=down, attention_head_dim=4,
        conditioning_embedding_out_channels=(16, 32), **sizes,
    ).save_pretrained(control)  # fmt: skip
