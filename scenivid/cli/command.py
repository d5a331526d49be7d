"""The command class that all commands use: examples below the help, options from the environment."""

from __future__ import annotations

import os
from typing import Any

import click
from click.core import ParameterSource

UNREAD = 141
"""Status where nobody reads the output any more: as if SIGPIPE had ended the process."""


class Command(click.Command):
    """A command whose help ends with examples that a test runs, and that knows --debug and --verbose."""

    def __init__(self, *args: Any, examples: tuple[str, ...] = (), **kwargs: Any) -> None:
        self.examples = examples
        super().__init__(*args, **kwargs)
        self.params.append(_flag("--verbose", "-v", help="Say more on stderr."))
        self.params.append(_flag("--debug", help="Show the traceback of an error."))
        for option in self.params:
            if isinstance(option, click.Option) and option.envvar is None and option.name is not None:
                option.envvar = _variables(self.name or "", option)

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Parse; a word that came from the environment is named as such."""
        try:
            return super().parse_args(context, args)
        except click.BadParameter as error:
            name = error.param.name if error.param is not None else None
            source = context.get_parameter_source(name) if name else None
            if source is ParameterSource.ENVIRONMENT and isinstance(error.param, click.Option):
                used = next(each for each in error.param.envvar or () if os.environ.get(each))
                text = f"{error.message} (from the environment: {used})"
                raise click.BadParameter(text, context, error.param) from error
            raise

    def invoke(self, context: click.Context) -> Any:
        """Run; where whoever read the output has gone, there is nobody to tell."""
        try:
            return super().invoke(context)
        except BrokenPipeError:  # click would make it an error like any other
            context.exit(UNREAD)

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples below the options."""
        with formatter.section("Example" if len(self.examples) == 1 else "Examples"):
            for example in self.examples:
                formatter.write(f"  {example}\n")


def spelled(option: click.Option) -> str:
    """An option's name as people write it, without dashes before it."""
    return max(option.opts, key=len).lstrip("-")


def _variables(command: str, option: click.Option) -> list[str]:
    """Names in the environment that set an option: SCENIVID_BATCH_STYLE before SCENIVID_STYLE.

    The short ones are for what the commands that stylize share.
    """
    names = [f"SCENIVID_{command}_{spelled(option)}"]
    if getattr(option, "shared", False):
        names.append(f"SCENIVID_{spelled(option)}")
    return [name.upper().replace("-", "_") for name in names]


def _flag(*names: str, help: str) -> click.Option:
    return click.Option(names, is_flag=True, expose_value=False, help=help)
