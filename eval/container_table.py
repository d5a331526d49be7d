"""Write the container table: every awkward source, copied as it is, and what survived.

    python eval/container_table.py container_table.md

The rows are those of tests/video/writing/test_container_table.py, so each is also asserted.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TEST = Path(__file__).resolve().parents[1] / "tests" / "video" / "writing" / "test_container_table.py"


def main() -> int:
    """Run the tests with the table switched on; the exit status is theirs."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    target = Path(sys.argv[1]).resolve()
    words = [sys.executable, "-m", "pytest", "-q", str(TEST)]
    return subprocess.run(
        words, env=os.environ | {"SCENIVID_CONTAINER_TABLE": str(target)}, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
