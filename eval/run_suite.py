"""Run a suite and write its page: python eval/run_suite.py eval/suites/coherence.toml --data DATA."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from suite.page import write_results
from suite.run import run_suite
from suite.spec import load_suite, only

from scenivid.errors import ScenividError


def main() -> int:
    """Parse, run, write; 1 on an error that the user can mend."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder that the suite's paths start from")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("RESULTS.md"))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--clip", action="append", default=[], help="only this clip; may be repeated")
    parser.add_argument("--style", action="append", default=[], help="only this style; may be repeated")
    chosen = parser.parse_args()
    command = f"python eval/run_suite.py eval/suites/{chosen.suite.name} --data DATA"
    for option, names in (("clip", chosen.clip), ("style", chosen.style)):
        command += "".join(f" --{option} {name}" for name in names)
    try:
        suite = only(load_suite(chosen.suite), chosen.clip, chosen.style)
        result = run_suite(suite, chosen.data, chosen.device, tell=print)
        print(write_results(result, chosen.out, command))
    except ScenividError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
