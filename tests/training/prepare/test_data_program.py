"""`scenivid train data`: from films and photographs to a folder that the other programs take."""

from __future__ import annotations

import json
import tarfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from films import barred, card, scene, shot, write_film

from scenivid.cli import main
from scenivid.errors import ConfigError, DataError
from scenivid.training.data.augment import Augment
from scenivid.training.data.images import decode, scan
from scenivid.training.prepare import maker as maker_room
from scenivid.training.prepare.judge import Rules
from scenivid.training.programs import data as program
from scenivid.training.programs.data import Recipe, run
from scenivid.training.translator.recipe import Recipe as TranslatorRecipe
from scenivid.training.translator.recipe import open_sets


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of five shots (two alike, a card, one with bars), a broken one, photographs."""
    folder = tmp_path_factory.mktemp("inputs")
    parts = [
        shot(scene(1), 9), shot(card(), 9), barred(shot(scene(2), 9), 20), shot(scene(1), 9),
        shot((scene(3) * 0.12).astype(np.uint8), 9),
    ]  # fmt: skip
    write_film(folder / "films" / "one.mp4", [frame for part in parts for frame in part])
    (folder / "films" / "broken.mp4").write_bytes(b"no film")
    photos = folder / "photos"
    photos.mkdir()
    for name, image in (
        ("sea", scene(10)),
        ("again", scene(10)),
        ("soft.v2", scene(11)),
        ("tall", scene(12, (240, 400))),
    ):
        cv2.imwrite(str(photos / f"{name}.png"), image[..., ::-1])
    (photos / "half.jpg").write_bytes((photos / "sea.png").read_bytes()[:300])
    (photos / "notes.txt").write_text("not a picture")
    return folder


def made(inputs: Path, **settings: Any) -> Recipe:
    return Recipe(inputs=(inputs / "films", inputs / "photos"), size=96, **settings)


@pytest.fixture(scope="module")
def out(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(made(inputs), tmp_path_factory.mktemp("made") / "out")


def report(out: Path) -> dict[str, Any]:
    held: dict[str, Any] = json.loads((out / "report.json").read_text())
    return held


def test_everything_is_kept_or_dropped_for_a_reason(out: Path) -> None:
    held = report(out)
    assert held["dropped"] == {"near-duplicate": 2, "unreadable": 2, "text card": 1, "dark": 1}
    assert (held["kept"], held["films"], held["photographs"], held["finished"]) == (5, 2, 5, True)
    one = next(film for film in held["sources"] if film["name"] == "one")
    assert one == one | {"frames": 45, "shots": 5, "kept": 2, "pictures": 6}


def test_pictures_are_squares_under_the_name_of_their_film_and_frame(out: Path) -> None:
    names = sorted(path.relative_to(out / "images").as_posix() for path in (out / "images").rglob("*.png"))
    assert len(names) == report(out)["pictures"] == 15
    assert {"again_0.png", "soft_v2_2.png", "tall_0.png"} <= set(names)
    films = [name for name in names if name.startswith("one/frame_")]
    assert len(films) == 6 and films[0].endswith("_0.png")
    assert {decode(entry).size for entry in scan(out)} == {(96, 96)}


def test_the_page_needs_nothing_beside_it_and_shows_each_reason(out: Path) -> None:
    page = (out / "report.html").read_text()
    assert page.count("<figure>") == 11 and 'src="data:image/jpeg;base64,' in page
    assert "http" not in page.replace("</html>", "") and "near-duplicate" in page and "of again_0" in page


def test_other_programs_take_the_folder_as_it_is(out: Path, caplog: pytest.LogCaptureFixture) -> None:
    for folder in (out, out / "images"):
        sets = open_sets(TranslatorRecipe(photos=folder, paintings=folder, augment=Augment(size=64)))
        assert sets["photo"][0].shape == (3, 64, 64) and len(sets["photo"]) == 15
    assert not caplog.records


def test_a_run_stopped_anywhere_ends_as_one_that_never_stopped(
    inputs: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, parts = made(inputs), tmp_path / "parts"
    judge, calls = maker_room.judge, []

    def die(*args: Any) -> Any:
        calls.append(1)
        if len(calls) % 2 == 0:
            raise KeyboardInterrupt
        return judge(*args)

    monkeypatch.setattr(maker_room, "judge", die)
    for _ in range(20):
        try:
            run(recipe, parts)
            break
        except KeyboardInterrupt:
            with (parts / "frames.jsonl").open("a") as file:
                file.write('{"row": {"sou')  # what a kill leaves
    else:
        pytest.fail("it never came to its end")
    assert len(calls) > 8
    assert (parts / "frames.jsonl").read_text() == (out / "frames.jsonl").read_text()
    for path in (out / "images").rglob("*.png"):
        assert path.read_bytes() == (parts / path.relative_to(out)).read_bytes()
    assert report(parts) == report(out)


def test_a_finished_run_has_nothing_left_to_do_and_takes_more_inputs(inputs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    run(Recipe(inputs=(inputs / "photos",), size=96), folder)
    before = (folder / "frames.jsonl").read_text()
    run(Recipe(inputs=(inputs / "photos",), size=96), folder)
    assert (folder / "frames.jsonl").read_text() == before
    run(made(inputs), folder)
    assert report(folder)["films"] == 2 and report(folder)["photographs"] == 5
    with pytest.raises(ConfigError, match="size was 96, is 64"):
        run(Recipe(inputs=(inputs / "photos",), size=64), folder)


def test_shards_hold_what_the_files_would(inputs: Path, out: Path, tmp_path: Path) -> None:
    folder = run(made(inputs, shard=4), tmp_path / "shards")
    tars = sorted((folder / "images").iterdir())
    assert [path.name for path in tars] == [f"{i:06d}.tar" for i in range(4)]
    entries = {entry.name: entry for entry in scan(folder)}
    assert len(entries) == 15
    for name, entry in entries.items():
        assert entry.read() == (out / "images" / name).read_bytes()
    with tarfile.open(tars[0]) as tar:
        members = tar.getnames()
        told = json.loads(tar.extractfile(members[1]).read())  # type: ignore[union-attr]
    assert members[0].rpartition(".")[0] == members[1].removesuffix(".json") and told["source"] == "one"
    run(made(inputs, shard=4), folder)  # the last shard, which may grow, is made again
    assert sorted((folder / "images").iterdir()) == tars and len(scan(folder)) == 15


def test_webdataset_reads_the_shards(inputs: Path, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    folder = run(Recipe(inputs=(inputs / "photos",), size=64, shard=100), tmp_path / "shards")
    with (folder / "images" / "000000.tar").open("rb") as stream:
        files = webdataset.tariterators.tar_file_expander([{"url": "shard", "stream": stream}])
        samples = list(webdataset.tariterators.group_by_keys(files))
    assert len(samples) == 9 and {"png", "json"} <= samples[0].keys()


def test_a_list_of_frames_gives_exactly_these(inputs: Path, tmp_path: Path) -> None:
    chosen = tmp_path / "frameList.json"
    chosen.write_text(json.dumps({"one": [40, 3, 12, 500], "Another Film": [1]}))
    folder = run(made(inputs, frames=chosen), tmp_path / "out")
    names = {path.name for path in (folder / "images" / "one").iterdir()}
    assert names == {f"frame_{number}_{i}.png" for number in (3, 12, 40) for i in range(3)}
    assert report(folder)["dropped"] == {"missing": 1}  # dark and text were chosen by hand, and stay


def test_a_list_that_fits_no_film_is_refused(inputs: Path, tmp_path: Path) -> None:
    chosen = tmp_path / "list.json"
    chosen.write_text('{"Another Film": [1]}')
    with pytest.raises(DataError, match="none of the list's films"):
        run(made(inputs, frames=chosen), tmp_path / "out")
    chosen.write_text('{"one": ["x"]}')
    with pytest.raises(ConfigError, match="no list of frames"):
        run(made(inputs, frames=chosen), tmp_path / "out")


def test_oblong_pixels_come_out_square(tmp_path: Path) -> None:
    image = np.full((240, 320, 3), 90, np.uint8)
    cv2.ellipse(image, (160, 120), (40, 80), 0, 0, 360, (255, 255, 255), -1)
    film = write_film(tmp_path / "a.mp4", [image] * 9, aspect=Fraction(2))
    folder = run(Recipe(inputs=(film,), size=240, rules=Rules(bars=False)), tmp_path / "out")
    square = cv2.imread(str(next(folder.rglob("frame_*_1.png"))), cv2.IMREAD_GRAYSCALE)
    assert square is not None
    bright = square > 200
    assert abs(int(bright.any(axis=0).sum()) - int(bright.any(axis=1).sum())) <= 3


def test_faces_are_dropped_only_if_asked_for(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maker_room, "open_faces", lambda weights: lambda image: 0.3)
    own = tmp_path / "own.onnx"
    own.touch()
    recipe = Recipe(inputs=(inputs / "photos",), rules=Rules(faces="drop"), faces_weights=own)
    with pytest.raises(DataError, match="nothing was kept"):
        run(recipe, tmp_path / "out")
    assert report(tmp_path / "out")["dropped"]["faces"] >= 3


def test_a_dry_run_writes_nothing(inputs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        run(made(inputs), tmp_path / "out", dry_run=True)
    assert not (tmp_path / "out").exists() and "2 films (about 46 frames) and 5 photographs" in caplog.text


def test_time_that_is_up_leaves_a_report_and_the_rest_for_later(inputs: Path, tmp_path: Path) -> None:
    folder = run(made(inputs), tmp_path / "out", minutes=1e-9)
    assert report(folder)["finished"] is False and "Not finished" in (folder / "report.html").read_text()
    run(made(inputs), folder)
    assert report(folder)["finished"] and report(folder)["pictures"] == 15


def test_the_command_line_takes_inputs(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "data", str(inputs / "photos"), "--out", str(tmp_path / "out"), "--set", "size=64"]
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 0
    said = capsys.readouterr()
    assert said.out.strip() == str(tmp_path / "out") and "near-duplicate" in said.err
    for wrong in (["train", "lite", str(inputs)], ["train", "data", str(inputs / "nowhere")]):
        with pytest.raises(SystemExit) as stopped:
            main(wrong)
        assert stopped.value.code in (1, 2)


def test_two_runs_never_write_one_folder(inputs: Path, tmp_path: Path) -> None:
    from scenivid.errors import OutputError

    with program._alone(tmp_path / "out"), pytest.raises(OutputError, match="another run"):
        run(made(inputs), tmp_path / "out")
