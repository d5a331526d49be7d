"""Data: bad files, pairs that stay aligned, and batches that depend on (seed, step) alone."""

from __future__ import annotations

import io
import json
import logging
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from scenivid.errors import ConfigError, DataError
from scenivid.training.data.augment import Augment, Placement, draw, place
from scenivid.training.data.images import Entry, decode, scan
from scenivid.training.data.samples import ImageSet, PairSet, Stream, find_pairs
from scenivid.training.run.random_state import generator


def picture(seed: int, size: tuple[int, int] = (48, 40)) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deep").mkdir()
    for number in range(4):
        picture(number).save(tmp_path / f"{number}.png")
    picture(4).save(tmp_path / "deep" / "4.jpg")
    return tmp_path


def spoil(folder: Path) -> None:
    """All the awkward files of the issue."""
    (folder / "notes.txt").write_text("not an image")
    (folder / "lies.jpg").write_text("nor is this")
    Image.new("RGB", (1, 1)).save(folder / "pixel.png")
    picture(0).convert("CMYK").save(folder / "cmyk.jpg")
    ramp = np.linspace(0, 65535, 48 * 40).reshape(40, 48).astype(np.uint16)
    Image.fromarray(ramp).save(folder / "deep16.png")
    Image.new("RGBA", (48, 40), (255, 0, 0, 0)).save(folder / "alpha.png")
    frames = [picture(n).convert("P") for n in range(3)]
    frames[0].save(folder / "moves.gif", save_all=True, append_images=frames[1:])


def test_bad_files_are_told_in_one_warning_that_counts_them(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(folder)
    with caplog.at_level(logging.WARNING):
        entries = scan(folder)
    assert len(entries) == 8 and len(caplog.records) == 1
    said = caplog.records[0].getMessage()
    assert "8 images used, 4 skipped" in said and "3 converted to 8-bit RGB" in said
    for part in (
        "2 not an image",
        "1 smaller than 32 px",
        "1 animated",
        "1 CMYK",
        "1 16-bit",
        "1 transparent",
    ):
        assert part in said
    decoded = {entry.name: np.asarray(decode(entry)) for entry in entries}
    assert all(image.dtype == np.uint8 and image.shape == (40, 48, 3) for image in decoded.values())
    assert (decoded["alpha.png"] == 255).all()  # transparent: the paper shows
    assert decoded["deep16.png"][0, 0, 0] == 0 and decoded["deep16.png"][-1, -1, 0] == 255
    assert abs(decoded["cmyk.jpg"].astype(int) - decoded["0.png"].astype(int)).mean() < 6


def test_good_files_give_no_warning(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert [entry.name for entry in scan(folder)] == ["0.png", "1.png", "2.png", "3.png", "deep/4.jpg"]
    assert not caplog.records


def test_an_empty_or_missing_folder_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="it is empty"):
        scan(tmp_path)
    with pytest.raises(DataError, match="not a folder"):
        scan(tmp_path / "none")
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(DataError, match="1 not an image"):
        scan(tmp_path)


def test_an_image_cut_short_is_replaced_by_the_next(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = (folder / "deep" / "4.jpg").read_bytes()
    (folder / "deep" / "4.jpg").write_bytes(whole[: len(whole) - 60])
    items = ImageSet(scan(folder), Augment(size=16), seed=0)
    assert all(items[index].shape == (3, 16, 16) for index in range(10))
    assert "another image takes its place" in caplog.text


def test_an_epoch_shows_each_image_once_and_the_next_in_another_order(folder: Path) -> None:
    items = ImageSet(scan(folder), Augment(size=40, zoom_min=1, zoom_max=1, flip=False), seed=3)
    means = [round(float(items[index].float().mean()), 1) for index in range(50)]
    assert all(len(set(means[begin : begin + 5])) > 1 for begin in range(0, 50, 5))
    from scenivid.training.data.samples import _shuffled

    orders = [[_shuffled(3, 0, 5, 5 * epoch + k) for k in range(5)] for epoch in range(6)]
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in orders)
    assert len({tuple(order) for order in orders}) > 1


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_depend_on_seed_and_step_alone(folder: Path, workers: int) -> None:
    items = ImageSet(scan(folder), Augment(size=16), seed=1)
    plain = Stream({"x": items}, batch=3)
    expected = [plain.batch(step)["x"] for step in range(5)]
    before = torch.get_rng_state()
    with Stream({"x": items}, batch=3, workers=workers) as stream:
        resumed = [stream.batch(step)["x"] for step in (2, 3, 4)]
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(expected[2:], resumed, strict=True))
    other = ImageSet(scan(folder), Augment(size=16), seed=2)
    assert not torch.equal(Stream({"x": other}, batch=3).batch(0)["x"], expected[0])


def test_processes_share_one_joint_batch(folder: Path) -> None:
    items = ImageSet(scan(folder), Augment(size=16), seed=1)
    joint = Stream({"x": items}, batch=4).batch(6)["x"]
    parts = [Stream({"x": items}, batch=2, rank=rank, world=2).batch(6)["x"] for rank in range(2)]
    assert torch.equal(torch.cat(parts), joint)


def make_pairs(folder: Path) -> None:
    for side in ("source", "target"):
        (folder / side).mkdir()
    for number in range(3):
        image = picture(number, (60, 40))
        image.save(folder / "source" / f"{number}.png")
        Image.eval(image, lambda value: 255 - value).save(folder / "target" / f"{number}.png")
    picture(9).save(folder / "source" / "alone.png")


def test_both_sides_of_a_pair_get_the_same_crop_and_flip(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_pairs(tmp_path)
    pairs = find_pairs(tmp_path)
    assert len(pairs) == 3 and "1 images without a partner" in caplog.text
    items = PairSet(pairs, Augment(size=24, zoom_max=2.0), seed=0)
    for index in range(8):
        item = items[index]
        assert (item["source"].int() + item["target"].int() - 255).abs().max() <= 1


def test_pairs_from_a_manifest_and_from_shards(tmp_path: Path) -> None:
    make_pairs(tmp_path)
    rows = [{"source": f"source/{n}.png", "target": f"target/{n}.png", "kept": n != 1} for n in range(3)]
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pairs = find_pairs(tmp_path)
    assert [pair[0].name for pair in pairs] == ["source/0.png", "source/2.png"]
    shards = tmp_path / "shards"
    shards.mkdir()
    with tarfile.open(shards / "000.tar", "w") as shard:
        for number in range(3):
            for side in ("source", "target"):
                shard.add(tmp_path / side / f"{number}.png", f"{number:04d}.{side}.png")
    packed = find_pairs(shards)
    assert len(packed) == 3
    assert np.array_equal(np.asarray(decode(packed[0][1])), np.asarray(decode(pairs[0][1])))
    (tmp_path / "manifest.jsonl").write_text('{"source": "source/7.png", "target": "target/0.png"}\n')
    with pytest.raises(DataError, match=r"line 1 names source/7\.png"):
        find_pairs(tmp_path)
    with pytest.raises(DataError, match="no pairs"):
        find_pairs(tmp_path / "source")


def test_shards_give_what_a_folder_gives(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    shards = tmp_path_factory.mktemp("shards")
    with tarfile.open(shards / "a.tar", "w") as shard:
        for entry in scan(folder):
            held = tarfile.TarInfo(entry.name)
            held.size = len(entry.read())
            shard.addfile(held, io.BytesIO(entry.read()))
    loose, packed = scan(folder), scan(shards)
    first, second = (ImageSet(found, Augment(size=16), seed=0) for found in (loose, packed))
    assert all(torch.equal(first[index], second[index]) for index in range(7))


def test_shards_written_by_webdataset_are_read(tmp_path: Path) -> None:
    import webdataset

    held = {}
    for number in range(3):
        held[number] = io.BytesIO()
        picture(number).save(held[number], "png")
    with webdataset.TarWriter(str(tmp_path / "0.tar")) as shard:
        for number, image in held.items():
            sides = {f"{side}.png": image.getvalue() for side in ("source", "target")}
            shard.write({"__key__": f"{number:05d}", **sides})
    pairs = find_pairs(tmp_path)
    assert [source.name for source, _ in pairs] == [f"{number:05d}.source.png" for number in range(3)]
    assert all(pairs[number][1].read() == held[number].getvalue() for number in range(3))


def test_a_placement_names_the_same_part_at_any_resolution() -> None:
    image = picture(1, (96, 64))
    where = Placement(zoom=1.5, left=0.2, top=0.9, flip=True)
    large, small = place(image, where, 32), place(image.resize((48, 32), Image.Resampling.BOX), where, 32)
    assert large.shape == (3, 32, 32) and (large.float() - small.float()).abs().mean() < 4
    assert torch.equal(place(image, Placement(1.5, 0.2, 0.9, False), 32).flip(2), large)


def test_draws_are_repeatable_and_stay_inside() -> None:
    augment = Augment(size=16, zoom_min=1.0, zoom_max=2.0)
    draws = [draw(augment, generator(0, index)) for index in range(100)]
    assert draws == [draw(augment, generator(0, index)) for index in range(100)]
    assert all(1 <= d.zoom <= 2 and 0 <= d.left < 1 and 0 <= d.top < 1 for d in draws)
    assert 20 < sum(d.flip for d in draws) < 80
    with pytest.raises(ConfigError):
        Augment(zoom_min=0.5)


def test_an_entry_without_bytes_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="can't be decoded"):
        decode(Entry(tmp_path / "gone.png", "gone.png"))
