"""torch, imported when it is first used: a run on a CPU may do without, which saves a second and 0.5 GB.

    from scenivid.machine.lazy import torch

takes the place of `import torch` in modules that a quick run imports. Type checkers see torch itself.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch as torch
    import torch.nn.functional as functional
else:

    class _Module:
        """Becomes a module as soon as something of it is asked for."""

        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, name: str) -> Any:
            value = getattr(import_module(self._name), name)
            setattr(self, name, value)
            return value

    torch, functional = _Module("torch"), _Module("torch.nn.functional")

__all__ = ["functional", "torch"]
