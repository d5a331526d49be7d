"""Run a suite and write its page: python eval/run_suite.py eval/suites/coherence.toml --data DATA."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from scenivid.errors import ScenividError
from scenivid.evaluation.suite import load_suite
from scenivid.evaluation.suite_page import write_results
from scenivid.evaluation.suite_run import run_suite


def main() -> int:
    """Parse, run, write; 1 on an error that the user can mend."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder that the suite's paths start from")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("RESULTS.md"))
    parser.add_argument("--device", default="auto")
    chosen = parser.parse_args()
    command = f"python eval/run_suite.py eval/suites/{chosen.suite.name} --data DATA"
    try:
        result = run_suite(load_suite(chosen.suite), chosen.data, chosen.device, tell=print)
        print(write_results(result, chosen.out, command))
    except ScenividError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
