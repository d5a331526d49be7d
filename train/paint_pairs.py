"""Paint the pairs of a recipe of `scenivid train lite`, all of them; a run that waits for them takes them in.

python train/paint_pairs.py --recipe train/recipes/cel.toml --out runs/cel
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from scenivid.training.lite.recipe import Recipe
from scenivid.training.painter.pairs import paint_all
from scenivid.training.programs.lite import open_stores
from scenivid.training.recipe import load_recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the run's folder")
    parser.add_argument("--set", action="append", default=[], help="as in `scenivid train`")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    paint_all(open_stores(load_recipe(Recipe, args.recipe, args.set), args.out))


if __name__ == "__main__":
    main()
