"""The open-data preparation: licences read right, held-out photographs fixed, the filter's rules."""

from __future__ import annotations

from pathlib import Path

import pytest
from open_data.collect import MAX_SIDE, collect, is_heldout
from open_data.licences import licence_of, write_licences
from open_data.sources import SOURCES, Source
from PIL import Image

COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: The team
License: GPL-3+

Files: images/land/*
Copyright: Various
License: public-domain
 A collection.

Files: images/land/*-ann*
Copyright: Ann (ann@example.org)
License: CC-BY-SA-4.0

Files:
 images/land/fields1*
 images/land/sky0*
Copyright: Others
License: public-domain

Files: 16.04/free_by_Bob.jpg
Copyright: Bob
License: CC-BY-4.0
"""


@pytest.mark.parametrize(
    ("path", "licence"),
    [
        ("usr/share/game/images/land/sky0.jpg", "public-domain"),
        ("usr/share/game/images/land/fog3.jpg", "public-domain"),
        ("usr/share/game/images/land/fields12-ann.jpg", "CC-BY-SA-4.0"),
        ("usr/share/game/sounds/a.wav", "GPL-3+"),
        ("usr/share/backgrounds/free_by_Bob.jpg", "CC-BY-4.0"),
    ],
)
def test_the_licence_is_that_of_the_stanza_that_names_the_file(path: str, licence: str) -> None:
    found = licence_of(COPYRIGHT, path)
    assert found is not None
    assert found[0] == licence


def test_a_prose_copyright_file_gives_no_licence() -> None:
    assert licence_of("This program is free software.\n\nLicense:\n  GPL", "a.jpg") is None


def test_held_out_photographs_are_fixed_by_name() -> None:
    names = [f"photo{index}.jpg" for index in range(1000)]
    held = [name for name in names if is_heldout(name)]
    assert 40 < len(held) < 100
    assert held == [name for name in names if is_heldout(name)]
    assert is_heldout("endless-sky-data-land-dune3.jpg")


def _package(root: Path) -> Path:
    land = root / "usr/share/game/images/land"
    land.mkdir(parents=True)
    docs = root / "usr/share/doc/game-data"
    docs.mkdir(parents=True)
    (docs / "copyright").write_text(COPYRIGHT)
    ramp = Image.linear_gradient("L").resize((800, 400)).convert("RGB")
    ramp.save(land / "sky0.jpg")
    ramp.rotate(0.1).save(land / "sky01.jpg")
    ramp.rotate(90).resize((3000, 1500)).save(land / "big.jpg")
    ramp.resize((300, 150)).save(land / "tiny.jpg")
    ramp.rotate(180).save(land / "space0.jpg")
    return root


def test_small_dropped_and_duplicate_images_stay_out(tmp_path: Path) -> None:
    source = Source("game-data", "usr/share/game/images", ("land/*.jpg",), ("*/space*",))
    for kind in ("photos", "heldout"):
        (tmp_path / "out" / kind).mkdir(parents=True)
    kept = collect(source, _package(tmp_path / "deb"), tmp_path / "out", [])
    assert sorted(row.original for row in kept) == ["land/big.jpg", "land/sky0.jpg"]
    assert all(row.licence == "public-domain" for row in kept)
    big = next(row for row in kept if row.original == "land/big.jpg")
    with Image.open(tmp_path / "out" / big.kind / big.name) as image:
        assert max(image.size) == MAX_SIDE
    write_licences(kept, tmp_path / "out")
    assert "| game-data | public-domain | 2 |" in (tmp_path / "out" / "LICENCES.md").read_text()


def test_every_source_names_its_kind_and_patterns() -> None:
    for source in SOURCES:
        assert source.keep
        assert source.kind in ("photos", "paintings")
