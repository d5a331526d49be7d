"""The command line: parse, one call, print. Each command has a file in commands/, loaded on demand."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from importlib import import_module

import click

from scenivid.cli.command import UNREAD
from scenivid.cli.config import read_defaults
from scenivid.cli.stopping import leave, stopping_promptly
from scenivid.cli.terminal import close, configure, fail, say
from scenivid.errors import Cancelled, one_line
from scenivid.machine.signals import INTERRUPTED, cancellable

COMMANDS = {
    "stylize": "Stylize a video or a folder of frames.",
    "batch": "Stylize a folder of videos and frame folders.",
    "live": "Show a camera, a file or an address stylised as it comes.",
    "eval": "Measure flicker, fidelity and style.",
    "train": "Train StyleGANs, pairs, translators, lite styles and flow.",
    "styles": "List, inspect, import and export styles.",
    "ui": "Open a window: a page in the browser, and an HTTP API.",
    "weights": "List and fetch the weights that others publish.",
    "probe": "Show what a video file says about itself.",
    "compare": "Put two videos side by side.",
    "bench": "Time every stage on this machine.",
    "doctor": "Check the installation and say what to fix.",
}

_ASKING = {"-h", "--help", "--version"}
"""Words that are answered even where the user's defaults are broken."""
_COMPLETION = "_SCENIVID_COMPLETE"
"""Set by the shell that wants a word completed."""
_STOPPED = "stopped; nothing was left half-written"
_ALIASES = {"models": "styles"}
"""Former names, still understood."""


class _Lazy(click.Group):
    """A group that imports a command's file only when the command is asked for: `--help` stays quick."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        name = _ALIASES.get(name, name)
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"scenivid.cli.commands.{name}").command
        return command

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except KeyboardInterrupt as stop:  # click would end the line, though it may be one of JSON
            if sys.stderr.isatty():
                click.echo(err=True)
            raise Cancelled(_STOPPED) from stop

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="scenivid")
def cli() -> None:
    """Turn real footage into anime-style footage that does not flicker.

    \b
    Example:
      scenivid stylize examples/clip.mp4 out.mp4
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 an error the user can fix, 2 wrong usage.

    130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP, 141 where nobody reads the output any more.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin starve a machine that is shared
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words or os.environ.get("SCENIVID_DEBUG") == "1"
    configure(verbose="--verbose" in words or "-v" in words, debug=debug)
    prompt = arguments is None and words[:1] in (["stylize"], ["batch"], ["live"])
    try:
        with cancellable(), stopping_promptly() if prompt else nullcontext():
            status = _run(words, debug)
    except (Cancelled, KeyboardInterrupt) as stop:  # between two lines of ours
        status = stop.status if isinstance(stop, Cancelled) else INTERRUPTED
    finally:
        close()
    if prompt and status > 128:
        leave(status)
    if status == UNREAD:  # what stdout still holds has nowhere to go
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


def _run(words: list[str], debug: bool) -> int:
    try:
        defaults = {} if _ASKING & {*words} or _COMPLETION in os.environ else read_defaults(COMMANDS)
        status = cli.main(args=words, prog_name="scenivid", standalone_mode=False, default_map=defaults)
        return status if isinstance(status, int) else 0
    except click.UsageError as error:
        error.show()
        return 2
    except click.ClickException as error:
        error.show()
        return 1
    except (KeyboardInterrupt, click.Abort):
        say(_STOPPED, "stopped")
        return INTERRUPTED
    except Cancelled as stop:
        say(str(stop), "stopped")
        return stop.status
    except Exception as error:  # the last place where a fault of ours can become a line
        if debug:
            raise
        fail(one_line(error))
        return 1
