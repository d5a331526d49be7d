"""OpenVINO's slow half is left out until somebody wants it."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("openvino.tools.ovc")
LEAN = (
    "import sys; from scenivid.styles.engines.openvino_import import openvino_lean;"
    "openvino = openvino_lean();"
)


@pytest.mark.parametrize(
    "code",
    [
        "assert 'openvino.tools.ovc' not in sys.modules; openvino.Core()",
        "from openvino import convert_model as c; assert c is openvino.tools.ovc.convert_model",
        "import openvino; assert openvino.convert_model is openvino.tools.ovc.convert_model",
        "import openvino; assert openvino.tools.ovc.convert_model is openvino.convert_model",
        "import openvino.tools.ovc; assert openvino.tools.ovc.convert_model is openvino.convert_model",
        "assert not hasattr(openvino, 'nonsense') and openvino_lean() is openvino",
    ],
)
def test_whoever_imports_it_later_finds_all_of_it(code: str) -> None:
    assert subprocess.run([sys.executable, "-c", LEAN + code]).returncode == 0


def test_what_is_imported_already_stays_as_it_is() -> None:
    code = "import openvino; before = dict(vars(openvino));" + LEAN + "assert vars(openvino) == before"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
