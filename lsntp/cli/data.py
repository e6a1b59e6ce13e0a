"""The command ``lsntp data``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from lsntp.cli import options

app = typer.Typer(help="The data sets: what they are, get them, verify them.", no_args_is_help=True)


def table(rows: list[dict[str, str]]) -> str:
    """Rows of one set of keys as aligned text columns under their headings."""
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{w}}" for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


@app.command("list")
def list_() -> None:
    """List the data sets, their sources and their licences."""
    from lsntp.data.catalogue import NAMES, REAL, data_dir
    from lsntp.data.reanalyses import INFERRED, REMOTE, YEARS

    rows = [
        {
            "name": name,
            "file": REAL[name].file.filename if name in REAL else "computed",
            "test from": REAL[name].test_start[:10] if name in REAL else "last 20 %",
            "source": REAL[name].file.source if name in REAL else "synthetic",
            "licence": REAL[name].file.licence if name in REAL else "MIT",
        }
        for name in NAMES
    ]
    rows += [
        {
            "name": name,
            "file": made.files,
            "test from": f"{YEARS[-1]}-01-01",
            "source": f"{made.source}; {INFERRED}",
            "licence": made.licence,
        }
        for name, made in REMOTE.items()
    ]
    typer.echo(table(rows))
    typer.echo(f"\nFiles are looked for in {data_dir()} (LSNTP_DATA_DIR).")


@app.command()
def fetch(
    names: Annotated[
        list[str] | None, typer.Argument(help="Data sets; by default the book's, some megabytes.")
    ] = None,
    years: Annotated[
        Any,
        typer.Option(parser=options.years, metavar="YEAR-YEAR", help="Other years than 2017-2018."),
    ] = None,
    region: options.Box = None,
    source: Annotated[
        str | None,
        typer.Option(help="Another place: URL of a folder or of a Zarr store, or cds."),
    ] = None,
) -> None:
    """Download and verify the files of real data sets; a good file already there is kept.

    Years, region and source are of ncep-china and era5-china, the paper's data. Cut off and
    started again it goes on where it was.
    """
    from lsntp.data import china, datasets
    from lsntp.data.reanalyses import REMOTE, YEARS

    failed = False
    for name in names or datasets.REAL:
        try:
            if name in REMOTE:
                for path in china.fetch(name, years or YEARS, region, source):
                    typer.echo(f"{name}: {path}")
            elif years or region or source:
                raise datasets.DataError(
                    f"{name}: --years, --region and --source are of {', '.join(REMOTE)}; leave "
                    "them out"
                )
            else:
                typer.echo(f"{name}: {datasets.fetch(name)}")
        except datasets.DataError as error:
            failed = True
            typer.echo(str(error), err=True)
    raise typer.Exit(int(failed))


@app.command()
def check() -> None:
    """Verify every data set found on disk; exit code 1 if a file is corrupt."""
    from lsntp.data.datasets import NAMES, status
    from lsntp.data.reanalyses import REMOTE

    rows = [status(name) for name in (*NAMES, *REMOTE)]
    details = [f"{row['name']}: {row.pop('detail')}" for row in rows]
    typer.echo(table(rows) + "\n\n" + "\n".join(details))
    raise typer.Exit(int(any(row["state"] == "corrupt" for row in rows)))
