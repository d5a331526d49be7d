"""--workers and --ray: who does the work of a command."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scenivid.cli.parameters import Count

if TYPE_CHECKING:
    from scenivid.cluster.crew import Crew


def crew_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--workers and --ray, for `crew_for`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


_OPTIONS = [
    click.option("--workers", type=Count("auto"), default="1", show_default=True,
                 help="Processes that share the work: one for each GPU, or they divide the cores; long films"
                 " are shared out at their cuts. Never changes the result."),
    click.option("--ray", metavar="local|ADDRESS",
                 help="Share the work among the workers of a Ray cluster; all nodes must see the files."),
]  # fmt: skip


@contextmanager
def crew_for(
    workers: int | str, ray: str | None, device: str, sources: Sequence[Path], folder: Path
) -> Iterator[Crew | None]:
    """The crew that is asked for; None for this process alone.

    Args:
        workers: a number or 'auto'.
        ray: address of a cluster, or 'local'.
        device: as in the settings.
        sources: what will be read.
        folder: where results go.
    """
    if ray is None and workers == 1:
        yield None
        return
    from scenivid.cluster.crew import Crew
    from scenivid.cluster.processes import Processes, automatic

    if ray is not None:
        from scenivid.cluster.ray_workers import RayPlace

        context = click.get_current_context()
        asked = context.get_parameter_source("workers") is not click.core.ParameterSource.DEFAULT
        size: Any = workers if asked else "auto"
        with Crew(RayPlace(ray, size, device, sources, folder)) as crew:
            yield crew
        return
    number = automatic(device) if isinstance(workers, str) else workers
    if number == 1:
        yield None
        return
    with Crew(Processes(number, device)) as crew:
        yield crew
