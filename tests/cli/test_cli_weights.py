"""`styles` and `weights`: what is offered, where it comes from, where it goes."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import torch

from scenivid.cli import main
from scenivid.weights.catalogue import CATALOGUE


@pytest.fixture(autouse=True)
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty caches, no network."""

    def refuse(*_: Any, **__: Any) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setenv("SCENIVID_HOME", str(tmp_path / "home"))


def _run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    said = capsys.readouterr()
    assert isinstance(stopped.value.code, int)
    return stopped.value.code, said.out, said.err


def test_every_file_has_a_licence_an_address_and_a_place(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, out, _ = _run(capsys, "weights", "list", "--json")
    entries = json.loads(out)
    assert status == 0 and [entry["name"] for entry in entries] == [entry.name for entry in CATALOGUE]
    for entry in entries:
        assert entry["licence"] and entry["about"] and entry["url"].startswith("https://")
        assert Path(entry["path"]).is_relative_to(tmp_path) and not entry["here"]
    _, text, _ = _run(capsys, "weights", "list")
    for entry in CATALOGUE:
        assert entry.url in text and entry.licence in text


def test_a_file_put_there_by_hand_is_here_and_fetched_at_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _, out, _ = _run(capsys, "weights", "list", "--json")
    place = Path(next(entry["path"] for entry in json.loads(out) if entry["name"] == "dino"))
    place.parent.mkdir(parents=True)
    place.write_bytes(b"weights")
    _, out, _ = _run(capsys, "weights", "list", "--json")
    assert [entry["name"] for entry in json.loads(out) if entry["here"]] == ["dino"]
    assert _run(capsys, "weights", "fetch", "dino")[:2] == (0, f"dino: {place}\n")


def test_what_cant_be_fetched_is_told_for_each_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = _run(capsys, "weights", "fetch", "raft-large", "scenimefy-shinkai")
    lines = err.strip().splitlines()
    assert status == 1 and out == ""
    assert any("raft_large" in line and "put it at" in line for line in lines)
    assert any("Shinkai_net_G.pth" in line and "put it at" in line for line in lines)


def test_one_name_may_stand_for_several(capsys: pytest.CaptureFixture[str]) -> None:
    _, text, _ = _run(capsys, "weights", "list")
    assert "lpips: vgg16, alexnet" in text and "stylegan2: stylegan2-lhq, stylegan2-shinkai" in text
    status, _, err = _run(capsys, "weights", "fetch", "lpips", "vgg16", "stylegan2")
    assert status == 1 and [
        err.count(name) for name in ("vgg16-397923af", "alexnet-owt", "lhq-2", "shinkai-2")
    ]
    assert len(err.strip().splitlines()) == 4
    assert "known: raft-large" in _run(capsys, "weights", "fetch", "magic")[2]


def test_everything_that_the_papers_chain_needs_is_in_the_catalogue() -> None:
    names = {entry.name for entry in CATALOGUE}
    assert names > {
        "clip",
        "vgg19",
        "vgg16",
        "alexnet",
        "mask2former",
        "deeplab",
        "inception",
        "stylegan2-lhq",
    }
    assert names > {"stylegan2-shinkai", "scenimefy-shinkai", "raft-large", "dino", "yunet"}


def test_a_folder_is_here_when_each_of_its_files_is(capsys: pytest.CaptureFixture[str]) -> None:
    def state() -> tuple[bool, Path]:
        entry = next(
            e for e in json.loads(_run(capsys, "weights", "list", "--json")[1]) if e["name"] == "mask2former"
        )
        return entry["here"], Path(entry["path"])

    folder = state()[1]
    folder.mkdir(parents=True)
    for name in ("config.json", "preprocessor_config.json"):
        (folder / name).write_text("{}")
    assert not state()[0]
    (folder / "pytorch_model.bin").write_bytes(b"weights")
    assert state()[0]
    assert _run(capsys, "weights", "fetch", "mask2former")[:2] == (0, f"mask2former: {folder}\n")


def test_checking_tells_a_damaged_file(capsys: pytest.CaptureFixture[str]) -> None:
    entry = next(e for e in CATALOGUE if e.name == "yunet")
    entry.path.parent.mkdir(parents=True, exist_ok=True)
    entry.path.write_bytes(b"not YuNet")
    assert "DAMAGED" in _run(capsys, "weights", "list", "--check")[1]
    assert "DAMAGED" not in _run(capsys, "weights", "list")[1]


def test_fetching_needs_a_name_or_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(capsys, "weights", "fetch")[0] == _run(capsys, "weights", "fetch", "dino", "--all")[0] == 2


def test_models_is_another_word_for_styles(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(capsys, "models", "list", "--json") == _run(capsys, "styles", "list", "--json")
