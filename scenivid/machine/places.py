"""Where things are kept on this machine: what can be made or fetched again, and the user's settings."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

_NAME = "scenivid"


def cache_dir() -> Path:
    """Models, and what engines remember: `$SCENIVID_HOME`, or the system's place for caches.

    That is `$XDG_CACHE_HOME/scenivid` or `~/.cache/scenivid` on Linux, `~/Library/Caches/scenivid` on macOS,
    and a folder of `%LOCALAPPDATA%` on Windows.
    """
    return _home() or platformdirs.user_cache_path(_NAME, appauthor=False)


def config_file() -> Path:
    """The user's own defaults: `config.toml` in `$SCENIVID_HOME`, or in the system's place for settings.

    That is `$XDG_CONFIG_HOME/scenivid` or `~/.config/scenivid` on Linux.
    """
    return (_home() or platformdirs.user_config_path(_NAME, appauthor=False)) / "config.toml"


def state_dir() -> Path:
    """What the window keeps from one start to the next: `$SCENIVID_HOME`, or the system's place for state.

    That is `$XDG_STATE_HOME/scenivid` or `~/.local/state/scenivid` on Linux.
    """
    return _home() or platformdirs.user_state_path(_NAME, appauthor=False)


def _home() -> Path | None:
    home = os.environ.get("SCENIVID_HOME")
    return Path(home) if home else None
