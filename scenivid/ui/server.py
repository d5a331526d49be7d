"""The server: the page, the API and the files of the page, behind the gate."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenivid.errors import ConfigError, DependencyError
from scenivid.machine.places import state_dir
from scenivid.ui.sources import resolved
from scenivid.ui.studio import Studio, open_studio

if TYPE_CHECKING:
    from fastapi import FastAPI

PORT = 7860


@dataclass(frozen=True)
class ServerSettings:
    """How the window is served."""

    host: str = "127.0.0.1"
    port: int = PORT
    """0 takes a free one."""
    folders: tuple[Path, ...] = ()
    """Files below these may be stylized by their path."""
    home: Path | None = None
    """Where jobs and uploads are kept; None for the user's state directory."""
    at_once: int = 1
    """Jobs that run at the same time."""
    device: str = "auto"
    multi_user: bool = False


def build_app(studio: Studio, settings: ServerSettings, with_page: bool = True) -> Any:
    """The whole as an ASGI application; or the API alone.

    Raises:
        DependencyError: gradio isn't installed.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # nothing is told to anybody
    try:
        from fastapi import FastAPI

        from scenivid.ui.api import add_api
        from scenivid.ui.gate import Gate
    except ImportError as exc:
        raise _missing(exc) from exc
    app = FastAPI(title="scenivid", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    add_api(app, studio)
    return Gate(_with_page(app, studio) if with_page else app, settings.host, settings.multi_user)


def _with_page(app: FastAPI, studio: Studio) -> FastAPI:
    try:
        import gradio
        from starlette.staticfiles import StaticFiles
    except ImportError as exc:
        raise _missing(exc) from exc
    from scenivid.ui.page.layout import build_page
    from scenivid.ui.page.theme import HEAD, STATIC, theme

    app.mount("/scenivid", StaticFiles(directory=STATIC))
    mounted: FastAPI = gradio.mount_gradio_app(
        app,
        build_page(studio),
        "/",
        theme=theme(),
        head=HEAD,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        pwa=False,
        show_error=False,
        favicon_path=str(STATIC / "icon.png"),
    )
    return mounted


def serve(settings: ServerSettings, ready: Callable[[str], None]) -> None:
    """Serve until somebody stops it.

    Args:
        ready: called with the page's address as soon as it answers.

    Raises:
        DependencyError: gradio isn't installed.
        ConfigError: the port is taken, or another server works in this home.
        InputError: a folder isn't there.
    """
    try:
        import uvicorn
    except ImportError as exc:
        raise _missing(exc) from exc
    home = settings.home or state_dir() / "ui"
    folders = resolved(settings.folders)
    with (
        open_studio(home, folders, settings.at_once, settings.device) as studio,
        _beside(studio.stills.warm_up),
    ):
        config = uvicorn.Config(
            build_app(studio, settings),
            settings.host,
            settings.port,
            log_level="warning",
            timeout_graceful_shutdown=2,
            lifespan="on",
        )
        try:
            socket = config.bind_socket()
        except SystemExit as exc:  # how uvicorn says that it can't
            raise ConfigError(f"{settings.host}:{settings.port} can't be listened at: is it taken?") from exc
        host, port = socket.getsockname()[:2]
        with socket:
            socket.listen()  # who comes before the server has begun waits for it
            ready(f"http://{f'[{host}]' if ':' in host else host}:{port}/")
            uvicorn.Server(config).run(sockets=[socket])


@contextmanager
def _beside(work: Callable[[], None]) -> Iterator[None]:
    """Do something in a thread of its own meanwhile."""
    thread = threading.Thread(target=work, name="scenivid-beside")
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _missing(exc: ImportError) -> DependencyError:
    return DependencyError(f"the window needs gradio: pip install 'scenivid[ui]' ({exc})")
