"""scenivid live: a camera, a file or an address, stylised while it is watched."""

from __future__ import annotations

import json
import os
import sys
from fractions import Fraction
from typing import Any

import click

from scenivid.cli import terminal
from scenivid.cli.command import Command
from scenivid.cli.commands.stylize import settings_from
from scenivid.cli.options import look_options
from scenivid.cli.parameters import Number, Seconds

EXAMPLES = ("scenivid live examples/clip.mp4 --no-open",)


@click.command("live", cls=Command, examples=EXAMPLES)
@click.argument("source", metavar="CAMERA|FILE|URL")
@look_options
@click.option(
    "--rate",
    type=Number(1, 240),
    default=15,
    show_default=True,
    help="Frames a second for which the size is chosen.",
)
@click.option(
    "--size",
    type=click.IntRange(64, 4320),
    metavar="N",
    help="Shorter side in pixels. [default: the largest that reaches --rate]",
)
@click.option("--loop", is_flag=True, help="Begin a file again at its end.")
@click.option("--duration", type=Seconds(), help="End after this long.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to show the page at; another one shows it to others.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="[default: one that is free]")
@click.option("--open/--no-open", "opens", default=True, help="Open the page in the browser.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line on stdout at the end.")
def command(
    source: str,
    rate: float,
    size: int | None,
    loop: bool,
    duration: Fraction | None,
    host: str,
    port: int,
    opens: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Show CAMERA (0, /dev/video0), FILE or URL (http, https, rtsp) stylised, as it comes, on a page.

    Frames that come too quickly are passed over, so that the picture never falls behind. Ctrl-C ends it.
    """
    from scenivid.live.server import LiveServer
    from scenivid.live.sources import shown
    from scenivid.live.watch import LiveSettings, Status, watch

    settings = settings_from(options)
    live = LiveSettings(rate, size, loop, None if duration is None else float(duration))

    def changed(status: Status) -> None:
        terminal.say(
            f"{status.size}: {status.fps:.1f} frames a second, {status.delay_ms:.0f} ms behind", "size"
        )

    with LiveServer(shown(source), settings.style, host, port) as server:
        terminal.say(f"shown at {server.address}", "address")
        if opens and _has_desktop():
            import webbrowser

            webbrowser.open(server.address)
        status = watch(source, settings, live, server, changed)
    terminal.say(
        f"{status.shown} frames shown, {status.dropped} passed over, last {status.size} at"
        f" {status.fps:.1f} frames a second, {status.delay_ms:.0f} ms behind",
        "done",
    )
    if as_json:
        terminal.out(json.dumps(vars(status)))


def _has_desktop() -> bool:
    """Whether a browser would open in a window, not in this terminal."""
    return sys.platform in ("darwin", "win32") or bool({"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys())
