"""The command ``clean``: what searches left in the temporary folder, the cache and the home."""

from __future__ import annotations

from typing import Annotated

import typer

from se_nas.cli.answer import AsJson, answering
from se_nas.cli.usage import Version
from se_nas.texts import one_line


def clean(
    yes: Annotated[bool, typer.Option("--yes", help="Remove it; else it is only shown.")] = False,
    token: Annotated[
        bool,
        typer.Option(
            "--token",
            help="Ray's token too: clusters that run with it refuse you then.",
        ),
    ] = False,
    as_json: AsJson = False,
    version: Version = False,
) -> None:
    """Show or remove what searches left outside of their runs; runs are left alone."""
    from se_nas.search.cluster.leftovers import leftovers, tokens

    answer = answering("clean", as_json)
    found = leftovers() + (tokens() if token else [])
    sizes = [each.size for each in found]
    for each, size in zip(found, sizes, strict=True):
        kept = ": in use, it stays" if each.in_use else ""
        typer.echo(one_line(f"{size / 1e6:8.2f} MB  {each.path}  ({each.what}{kept})"))
    removable = [each for each in found if not each.in_use]
    for each in removable if yes else ():
        each.remove()
    stayed = [each for each in removable if yes and each.path.exists()]
    for each in stayed:
        typer.echo(one_line(f"error: {str(each.path)!r} cannot be removed"), err=True)
    told = [
        {"path": e.path, "what": e.what, "bytes": size, "in_use": e.in_use,
         "removed": not e.path.exists()} for e, size in zip(found, sizes, strict=True)
    ]  # fmt: skip
    answer({"leftovers": told})
    if stayed:
        raise typer.Exit(2)
    if not removable:
        typer.echo("nothing to remove")
    elif not yes:
        typer.echo("nothing was removed: se-nas clean --yes does that")
