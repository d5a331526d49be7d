"""Styles by name: embedded, installed, imported, downloaded; and what is refused."""

from __future__ import annotations

import dataclasses
import io
import logging
import urllib.error
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from scenivid.errors import CheckpointError, ConfigError
from scenivid.nets.checkpoint import ModelCard, save_checkpoint
from scenivid.nets.lite import Lite, LiteParams
from scenivid.nets.translator import Translator
from scenivid.styles import published, zoo
from scenivid.styles.published import fetch, import_checkpoint, models_dir
from scenivid.styles.stylizer import LiteStylizer, TranslatorStylizer

CPU = torch.device("cpu")
PARAMS = LiteParams(widths=(16, 16, 16), encode_blocks=(0, 0), middle_dilations=(), decode_blocks=(0, 0))
CARD = ModelCard("mine", "lite", dataclasses.asdict(PARAMS))
SHINKAI = published.PUBLISHED[0]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder of the test's own, and no network."""
    monkeypatch.setenv("SCENIVID_HOME", str(tmp_path / "home"))

    def offline(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    return tmp_path / "home" / "models"


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file like Shinkai_net_G.pth, with random weights."""
    path = tmp_path_factory.mktemp("official") / "Shinkai_net_G.pth"
    torch.save(Translator().state_dict(), path)
    return path


def test_the_official_generator_is_imported(
    official: Path, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    card = import_checkpoint(official)
    assert card.name == "scenimefy-shinkai" and not card.commercial_use and "S-Lab" in card.licence
    assert zoo.installed() == ["scenimefy-shinkai"]
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        stylizer = zoo.load_style("scenimefy-shinkai", CPU, "fp32")
    assert "non-commercial" in caplog.text
    assert isinstance(stylizer, TranslatorStylizer)
    original = torch.load(official, weights_only=True)
    assert torch.equal(stylizer.network.state_dict()["model.30.weight"], original["model.30.weight"])


def test_the_same_as_safetensors_and_from_data_parallel(official: Path, tmp_path: Path) -> None:
    state = torch.load(official, weights_only=True)
    save_file(state, tmp_path / "g.safetensors")
    assert import_checkpoint(tmp_path / "g.safetensors", "a").architecture == "translator"
    torch.save({f"module.{key}": value for key, value in state.items()}, tmp_path / "g.pth")
    assert import_checkpoint(tmp_path / "g.pth", "b").architecture == "translator"
    assert zoo.installed() == ["a", "b"]


def test_a_file_with_other_keys_is_described(tmp_path: Path, home: Path) -> None:
    torch.save({"model.1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "g.pth")
    with pytest.raises(CheckpointError, match=r"doesn't fit Translator: tensors 51 missing"):
        import_checkpoint(tmp_path / "g.pth")
    assert not home.exists()


def test_other_blur_filters_are_refused(official: Path, tmp_path: Path) -> None:
    state = torch.load(official, weights_only=True)
    state["model.21.filt"] = state["model.21.filt"] * 2
    torch.save(state, tmp_path / "g.pth")
    with pytest.raises(CheckpointError, match=r"other blur filters \(model.21.filt\)"):
        import_checkpoint(tmp_path / "g.pth")


class _Unsafe:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("hacked"),))


@pytest.mark.parametrize("content", [_Unsafe(), {"epoch": 3}, [torch.zeros(1)]], ids=["code", "dict", "list"])
def test_pickles_of_anything_else_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: object
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(content, tmp_path / "g.pth")
    with pytest.raises(CheckpointError, match="state dict"):
        import_checkpoint(tmp_path / "g.pth")
    assert not (tmp_path / "hacked").exists()


def test_damaged_and_missing_files_are_refused(official: Path, tmp_path: Path) -> None:
    (tmp_path / "short.pth").write_bytes(official.read_bytes()[:100_000])
    (tmp_path / "text.pth").write_text("<html>404 not found, and some more text</html>")
    for name in ("short.pth", "text.pth", "missing.pth"):
        with pytest.raises(CheckpointError, match=name) as caught:
            import_checkpoint(tmp_path / name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "none", "x" * 65, "a.b"])
def test_names_cannot_leave_the_folder(official: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="can't name a model"):
        import_checkpoint(official, name)


def test_our_own_files_are_imported_and_loaded(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "My Style.safetensors", Lite(PARAMS), CARD)
    assert import_checkpoint(tmp_path / "My Style.safetensors").name == "my-style"
    assert isinstance(zoo.load_style("my-style", CPU), LiteStylizer)
    assert isinstance(zoo.load_style(str(tmp_path / "My Style.safetensors"), CPU), LiteStylizer)
    assert zoo.card_of("my-style").name == "my-style"


def test_an_unknown_style_lists_the_known(tmp_path: Path) -> None:
    save_checkpoint(models_dir() / "aquarelle.safetensors", Lite(PARAMS), CARD)
    with pytest.raises(ConfigError, match=r"did you mean 'aquarelle'\?.*scenimefy-shinkai"):
        zoo.load_style("aquarele", CPU)
    with pytest.raises(ConfigError, match="styles import"):
        zoo.load_style(str(tmp_path / "x.pth"), CPU)
    with pytest.raises(CheckpointError, match="can't read"):
        zoo.load_style(str(tmp_path / "x.safetensors"), CPU)


def test_a_damaged_file_in_the_folder_hides_no_other(caplog: pytest.LogCaptureFixture) -> None:
    save_checkpoint(models_dir() / "good.safetensors", Lite(PARAMS), CARD)
    (models_dir() / "bad.safetensors").write_text("x")
    with caplog.at_level(logging.WARNING):
        assert zoo.installed() == ["good"]
    assert "bad.safetensors" in caplog.text


def test_every_embedded_style_has_a_full_card() -> None:
    for name in zoo.embedded():
        card = zoo.card_of(name)
        assert card.licence and card.data and card.recipe, name
        assert card.commercial_use


def test_offline_says_what_to_fetch_and_where_to_put_it(home: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        zoo.load_style("scenimefy-shinkai", CPU)
    message = str(caught.value)
    assert "no route to host" in message and SHINKAI.url in message
    assert str(home / "Shinkai_net_G.pth") in message


def test_a_file_put_there_is_used(official: Path, home: Path) -> None:
    home.mkdir(parents=True)
    (home / "Shinkai_net_G.pth").write_bytes(official.read_bytes())
    assert fetch(SHINKAI).name == "scenimefy-shinkai.safetensors"


class _Response(io.BytesIO):
    def __init__(self, content: bytes, announced: int) -> None:
        super().__init__(content)
        self.headers = {"Content-Length": str(announced)}


def test_a_download_is_checked_and_kept(official: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = official.read_bytes()
    for part, announced, error in (
        (content[:5000], len(content), "5000 of"),
        (b"<html>moved</html>", 18, "not a safetensors file"),
    ):
        monkeypatch.setattr(
            "urllib.request.urlopen",
            lambda *_, part=part, announced=announced, **__: _Response(part, announced),
        )
        with pytest.raises(CheckpointError, match=error):
            fetch(SHINKAI)
        assert not list(home.glob("*"))
    monkeypatch.setattr("urllib.request.urlopen", lambda *_, **__: _Response(content, len(content)))
    path = fetch(SHINKAI)
    monkeypatch.undo()
    assert fetch(SHINKAI, home) == path and path.is_file()
