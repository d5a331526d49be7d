"""scenivid ui: the window."""

from __future__ import annotations

from pathlib import Path

import click

from scenivid.cli import terminal
from scenivid.cli.command import Command


@click.command("ui", cls=Command, examples=("scenivid ui", "scenivid ui --folder ~/Videos --port 8000"))
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen; 0.0.0.0: everywhere.")
@click.option("--port", type=click.IntRange(0, 65535), default=7860, show_default=True, help="0: a free one.")
@click.option("--folder", "folders", multiple=True, type=click.Path(path_type=Path),
              help="Files below this folder may be stylized by their path; may be given again.")  # fmt: skip
@click.option("--home", type=click.Path(path_type=Path, file_okay=False),
              help="For jobs and uploads. [default: $SCENIVID_HOME/ui, or the state directory]")  # fmt: skip
@click.option("--at-once", type=click.IntRange(1, 16), default=1, show_default=True, help="Jobs at a time.")
@click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda[:N]")
@click.option(
    "--multi-user", is_flag=True, help="Each browser, and each API secret, sees its own files only."
)
@click.option("--open/--no-open", "browse", default=False, help="Open the page in a browser.")
def command(
    host: str,
    port: int,
    folders: tuple[Path, ...],
    home: Path | None,
    at_once: int,
    device: str,
    multi_user: bool,
    browse: bool,
) -> None:
    """Open a window: a page in the browser, and an HTTP API, on this machine.

    Jobs go on when the page is closed, and when the server starts again. Nothing leaves this machine.
    """
    from scenivid.ui.server import ServerSettings, serve

    settings = ServerSettings(host, port, folders, home, at_once, device, multi_user)

    def ready(address: str) -> None:
        terminal.say(f"scenivid is at {address} (Ctrl-C stops it; jobs go on next time)", "ready")
        if host not in ("127.0.0.1", "localhost", "::1"):
            terminal.say("everybody who reaches this address can use it")
        if browse:
            click.launch(address)

    serve(settings, ready)
