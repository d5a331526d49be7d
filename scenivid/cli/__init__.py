"""The command line: parse, one call, print. Each command lives in its own file and loads on demand."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from scenivid.errors import ScenividError

COMMANDS = {
    "stylize": "Stylize a video or a folder of frames.",
    "batch": "Stylize a folder of videos and frame folders.",
    "eval": "Measure flicker, fidelity and style.",
    "train": "Train StyleGANs, pairs, translators, lite styles and flow.",
    "models": "List, inspect, import and export styles.",
    "probe": "Show what a video file says about itself.",
    "compare": "Put two videos side by side.",
    "bench": "Time every stage on this machine.",
    "doctor": "Check the installation and say what to fix.",
}


class _Lazy(click.Group):
    """A group that imports a command's file only when the command is asked for: `--help` stays quick."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"scenivid.cli.{name}").command
        return command

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
    """Run the command line and exit: 0 done, 1 an error the user can mend, 2 wrong usage."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin starve a machine that is shared
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words or os.environ.get("SCENIVID_DEBUG") == "1"
    _log_to_stderr(verbose="--verbose" in words or "-v" in words or debug)
    sys.exit(_run(words, debug))


def _run(words: list[str], debug: bool) -> int:
    try:
        status = cli.main(args=words, prog_name="scenivid", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except click.UsageError as error:
        error.show()
        return 2
    except click.ClickException as error:
        error.show()
        return 1
    except (KeyboardInterrupt, click.Abort):
        _say("stopped; nothing was left half-written")
        return 1
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except ScenividError as error:
        if debug:
            raise
        _say(f"error: {error}")
        return 1
    except (MemoryError, RuntimeError) as error:
        if debug or not _out_of_memory(error):
            raise
        _say("error: out of memory: use a smaller --batch or --tile, or --device cpu")
        return 1


def _out_of_memory(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text


def _say(line: str) -> None:
    click.echo(" ".join(line.split()), err=True)


class _Stderr(logging.Handler):
    """Writes to whatever stderr is now: a progress bar may have put itself in front of it."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(self.format(record), err=True)


def _log_to_stderr(verbose: bool) -> None:
    logger = logging.getLogger("scenivid")
    logger.handlers[:] = [_Stderr()]
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
