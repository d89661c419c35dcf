"""`digits serve`: the page and the HTTP API."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import click

from search.cli.console import note, say
from search.cli.options import index_option, limit_threads, with_options

PORT = 8000


if TYPE_CHECKING:
    from indexer.place import Place


@click.command(
    short_help="Serve a page to draw on, and an HTTP API.",
    epilog="Example: digits serve --port 8080",
)
@with_options(
    index_option,
    click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on."),
    click.option(
        "--port",
        type=click.IntRange(0, 65535),
        default=PORT,
        show_default=True,
        help="Port to listen on; 0 takes any that is free.",
    ),
    click.option(
        "--token",
        envvar="DIGITS_TOKEN",
        help="Answer only those who know it: at least 16 characters.  [default: $DIGITS_TOKEN]",
    ),
    click.option("--writable", is_flag=True, help="Let the page add digits to the index."),
    click.option(
        "--threads",
        type=click.IntRange(min=1),
        help="Queries to answer side by side.  [default: one for each processor]",
    ),
)
def serve(
    index_place: Place,
    host: str,
    port: int,
    token: str | None,
    writable: bool,
    threads: int | None,
) -> None:
    """Serve a page to draw digits on, and the HTTP API behind it, until stopped.

    Only this machine can connect, unless --host says otherwise; then --token must be given.
    """
    limit_threads(1)  # of one query; several are answered side by side
    from data.errors import MissingExtra, UsageError

    try:
        from search.web.access import Access, check_token
        from search.web.app import create_app
        from search.web.limits import Limits
        from search.web.server import address, listen, make_server
    except ModuleNotFoundError as exc:
        raise MissingExtra(
            f"digits serve needs {exc.name}: pip install 'digit-search[web]'"
        ) from exc
    if token is not None:
        check_token(token)
    elif not Access(host).is_private:
        raise UsageError(
            f"expected --token with --host {host}, which others can reach: at least 16 characters,"
            " say of: openssl rand -hex 16"
        )
    access, limits = Access(host, token), Limits()
    app = create_app(index_place, access, writable=writable, threads=threads, limits=limits)
    gc.freeze()  # what was imported and opened stays: no garbage is looked for among it
    with listen(host, port) as sock:
        say([f"{address(sock)}{'?token=' + token if token else ''}"])
        note("Open it in a browser; stop with Ctrl-C.")
        make_server(app, limits).run(sockets=[sock])
