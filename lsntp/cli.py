"""The command ``lsntp``."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

app = typer.Typer(
    help="Companion to the LS-NTP paper.", no_args_is_help=True, pretty_exceptions_enable=False
)
data = typer.Typer(
    help="The data sets: what they are, get them, verify them.", no_args_is_help=True
)
app.add_typer(data, name="data")


def _table(rows: list[dict[str, str]]) -> str:
    """Rows of one set of keys as aligned text columns under their headings."""
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{w}}" for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


@data.command("list")
def list_() -> None:
    """List the data sets, their sources and their licences."""
    from lsntp.datasets import NAMES, REAL, data_dir

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
    typer.echo(_table(rows))
    typer.echo(f"\nFiles are looked for in {data_dir()} (LSNTP_DATA_DIR).")


@data.command()
def fetch(
    names: Annotated[
        list[str] | None, typer.Argument(help="Data sets; by default all that have a file.")
    ] = None,
) -> None:
    """Download and verify the files of real data sets; a good file already there is kept."""
    from lsntp import datasets

    failed = False
    for name in names or datasets.REAL:
        try:
            typer.echo(f"{name}: {datasets.fetch(name)}")
        except datasets.DataError as error:
            failed = True
            typer.echo(str(error), err=True)
    raise typer.Exit(int(failed))


@data.command()
def check() -> None:
    """Verify every data set found on disk; exit code 1 if a file is corrupt."""
    from lsntp.datasets import NAMES, status

    rows = [status(name) for name in NAMES]
    details = [f"{row['name']}: {row.pop('detail')}" for row in rows]
    typer.echo(_table(rows) + "\n\n" + "\n".join(details))
    raise typer.Exit(int(any(row["state"] == "corrupt" for row in rows)))


Preset = Annotated[str, typer.Option(help="smoke, laptop or paper: how large and how long.")]


@app.callback()
def _log(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every epoch.")] = False,
) -> None:
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    logging.getLogger("lsntp").setLevel(logging.INFO if verbose else logging.WARNING)


@app.command()
def run(
    dataset: Annotated[str, typer.Argument(help="A data set's name, or the path of your file.")],
    model: Annotated[str, typer.Argument(help="For example lsntp-equations, convlstm, ridge.")],
    recipe: Annotated[str, typer.Option(help="modern or released: how it is trained.")] = "modern",
    preset: Preset = "laptop",
    seed: Annotated[int, typer.Option(min=0, help="First weights, order of windows.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "cpu",
) -> None:
    """Train and score one model; an existing record is shown instead. Safe to kill and resume."""
    from pydantic import ValidationError

    from lsntp import records
    from lsntp.experiment import RunConfig

    try:
        config = RunConfig(dataset=dataset, model=model, recipe=recipe, preset=preset, seed=seed)
        record = records.run(config, device=device, progress=True)
    except ValidationError as error:
        typer.echo("\n".join(str(e["msg"]) for e in error.errors()), err=True)
        raise typer.Exit(2) from None
    except (ValueError, OSError, FloatingPointError, RuntimeError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    by_lead = record[["mae", "rmse", "ssim", "psnr"]].to_dataframe().T
    by_lead["mean"] = by_lead.mean(axis=1)
    typer.echo(f"{records.path_of(config)}\n{by_lead.round(3).to_string()}")


@app.command()
def campaign(
    name: Annotated[str, typer.Argument(help="main: all models, both real sets, both recipes.")],
    preset: Preset = "laptop",
    seeds: Annotated[int, typer.Option(min=1, help="Seeds 0, 1, … of every network.")] = 3,
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time, one core each.")] = 1,
) -> None:
    """Make all records of a campaign that are missing. Safe to kill and start again."""
    from lsntp import campaign as campaigns
    from lsntp import records

    try:
        configs = campaigns.configs(name, preset, seeds)
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    todo = [config for config in configs if not records.is_whole(config)]
    typer.echo(f"{len(configs)} runs, {len(todo)} without a record")
    failed = 0
    for done, (config, failure) in enumerate(campaigns.run_all(todo, jobs), start=1):
        failed += failure is not None
        outcome = f"FAILED: {failure!r}" if failure else str(records.path_of(config))
        typer.echo(f"{done}/{len(todo)} {config.title}: {outcome}", err=failure is not None)
    raise typer.Exit(int(failed > 0))


@app.command()
def verify(
    key: Annotated[str | None, typer.Argument(help="Key of a record, or how it begins.")] = None,
    sample: Annotated[int, typer.Option(min=0, help="Or so many records, at random.")] = 0,
    tolerance: Annotated[float, typer.Option(help="Largest difference of a score by lead.")] = 1e-6,
) -> None:
    """Make recorded runs again from nothing and compare every score at every lead."""
    from lsntp import campaign as campaigns
    from lsntp import records
    from lsntp.datasets import DataError

    if (key is None) == (sample == 0):
        typer.echo("give a KEY, or --sample N", err=True)
        raise typer.Exit(2)
    try:
        chosen = [records.find_by_key(key)] if key else records.sample(sample)
    except records.RecordError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    worst = 0.0
    for record in chosen:
        try:
            difference = campaigns.verify(record)
        except DataError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None
        worst = max(worst, difference)
        verdict = "agrees" if difference <= tolerance else "DIFFERS"
        title = records.RunConfig.model_validate_json(record.attrs["config"]).title
        typer.echo(f"{record.attrs['key']} {title}: {verdict}, largest difference {difference:.2g}")
    typer.echo(f"accepted: {tolerance:g} in any score at any lead")
    if worst > tolerance:
        typer.echo(
            f"the records were made on {chosen[0].attrs['device']} with "
            f"{chosen[0].attrs['versions']}; another processor or version changes last digits, "
            "and training enlarges them: compare with the seed spread in the main table",
            err=True,
        )
    raise typer.Exit(int(worst > tolerance))


if __name__ == "__main__":
    app()
