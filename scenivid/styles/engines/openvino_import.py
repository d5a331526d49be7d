"""OpenVINO without its converter of other frameworks' models, which doubles the time of its import."""

from __future__ import annotations

import importlib
import sys
from typing import Any

_CONVERTER = "openvino.tools.ovc"
"""`import openvino` brings it along where it is installed, and does without where it isn't."""
_LATER = ("convert_model", "tools")
"""What others find in `openvino` through it."""


def openvino_lean() -> Any:
    """The module `openvino`, imported without the converter unless somebody imported it before.

    For others in this process nothing is missing: it is imported as soon as they ask for it.

    Raises:
        ImportError: it isn't installed, or doesn't load.
    """
    if "openvino" in sys.modules or _CONVERTER in sys.modules:
        return importlib.import_module("openvino")
    modules: Any = sys.modules
    modules[_CONVERTER] = None  # Python's way to say that there is none
    try:
        module: Any = importlib.import_module("openvino")
    finally:
        del modules[_CONVERTER]
    if not hasattr(module, "convert_model"):
        module.__getattr__ = _imported_now
    return module


def _imported_now(name: str) -> Any:
    """`__getattr__` of the module: what it lacks."""
    if name in _LATER:
        converter = importlib.import_module(_CONVERTER)  # which makes it `openvino.tools`, too
        module = sys.modules["openvino"]
        module.__dict__.setdefault("convert_model", converter.convert_model)
        return module.__dict__[name]
    raise AttributeError(f"module 'openvino' has no attribute {name!r}")
