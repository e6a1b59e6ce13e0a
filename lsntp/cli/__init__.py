"""The command ``lsntp``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lsntp.cli import data
from lsntp.cli.options import (
    Box,
    Device,
    Every,
    Files,
    Folder,
    From,
    PresetName,
    RecipeName,
    Seed,
    Until,
    told,
    whole_number,
)

if TYPE_CHECKING:
    from xarray import DataArray, Dataset

    from lsntp.data.coordinates import Region

app = typer.Typer(
    help="Companion to the LS-NTP paper.", no_args_is_help=True, pretty_exceptions_enable=False
)
app.add_typer(data.app, name="data")


@app.callback()
def _log(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every epoch.")] = False,
) -> None:
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    logging.getLogger("lsntp").setLevel(logging.INFO if verbose else logging.WARNING)


@app.command()
def run(
    files: Files,
    model: Annotated[str, typer.Argument(help="For example lsntp-equations, convlstm, ridge.")],
    recipe: RecipeName = None,
    preset: PresetName = None,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Train and score one model; an existing record is shown instead. Safe to kill and resume.

    Several files are one data set: lsntp run part1.nc part2.nc ridge, or "part*.nc".
    Without a recipe and a preset lsntp-tuned has its own ("tuned"), all others modern and laptop.
    Under torchrun, on several devices: torchrun --nproc-per-node 2 -m lsntp run ...
    """
    from lsntp.data.sources import located
    from lsntp.results.tables import COLUMNS
    from lsntp.runs import records
    from lsntp.runs.config import RunConfig
    from lsntp.runs.training import rank

    with told():
        dataset = files[0] if len(files) == 1 else located(files).name
        config = RunConfig(dataset=dataset, model=model, recipe=recipe, preset=preset, seed=seed)
        record = records.run(config, device=device, progress=True)
    heads = {score: COLUMNS[score][0] for score in ("mae", "rmse", "ssim", "psnr")}
    by_lead = record[list(heads)].rename(heads).to_dataframe().T.rename_axis(columns="lead (h)")
    by_lead["mean"] = by_lead.mean(axis=1)
    if rank() == 0:
        typer.echo(f"{records.path_of(config)}\n{by_lead.round(3).to_string()}")


def opened(
    files: list[str],
    region: Region | None = None,
    period: tuple[str | None, str | None] = (None, None),
    every: int | None = None,
) -> DataArray:
    """Open what the user named, cut to region, period and step before it is read."""
    from lsntp.data.datasets import open_dataset

    source = files[0] if len(files) == 1 else files
    times = None if period == (None, None) else period
    return open_dataset(source, region=region, period=times, every=every)


@app.command()
def train(
    files: Files,
    to: Annotated[Path, typer.Option(help="Folder to keep the model in; no other is replaced.")],
    model: Annotated[str, typer.Option(help="For example lsntp-tuned, convlstm, ridge.")] = (
        "lsntp-tuned"
    ),
    recipe: RecipeName = None,
    preset: PresetName = None,
    seed: Seed = 0,
    steps: Annotated[
        int, typer.Option(parser=whole_number(1, 1000), help="Time steps that the model sees.")
    ] = 6,
    lead: Annotated[
        int, typer.Option(parser=whole_number(1, 1000), help="Time steps that it forecasts.")
    ] = 6,
    region: Box = None,
    from_: From = None,
    until: Until = None,
    every: Every = None,
    device: Device = "cpu",
) -> None:
    """Train a model and keep it: weights, scaler, grid and where they come from.

    Without a recipe and a preset lsntp-tuned has its own ("tuned"), all others modern and laptop.
    A time step is the file's own, or with --every the n-th. The last fifth of the times is left for
    lsntp evaluate. Safe to kill and start again.
    """
    from lsntp.data import store
    from lsntp.runs import forecasts
    from lsntp.runs.trained import FILE

    with told():
        store.check_folder(to, "--to")
        there = (to / FILE).exists()
        kept = forecasts.train(
            opened(files, region, (from_, until), every),
            model,
            recipe=recipe,
            preset=preset,
            seed=seed,
            input_steps=steps,
            lead_steps=lead,
            keep=to,
            device=device,
            progress=True,
        )
        typer.echo(f"{to / FILE}{', there already: the same settings and data' if there else ''}")
        times = [kept.provenance[name] for name in forecasts.PERIODS]
        typer.echo("trained on {} to {}, without {} to {}, left for evaluate".format(*times))


@app.command()
def forecast(
    folder: Folder,
    files: Files,
    to: Annotated[Path, typer.Option(help="New file to write: NetCDF, *.nc, or Zarr, *.zarr.")],
    at: Annotated[
        list[str] | None,
        typer.Option(help="Time of the last step seen; by default the last of all."),
    ] = None,
    every: Every = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the first forecast: a new file, e.g. map.png.")
    ] = None,
) -> None:
    """Forecast from the latest steps of a field, or from those up to other times.

    Of the field the region is taken that the model was trained on. Forecasts are in K, whatever the
    units of the field.
    """
    from lsntp.runs import forecasts
    from lsntp.runs.trained import Trained

    with told():
        forecasts.check_new(to, "--to", forecasts.ENDINGS)
        if plot is not None:
            forecasts.check_new(plot, "--plot", PICTURES)
        trained = Trained.load(folder)
        result = forecasts.forecast(trained, opened(files, trained.region, every=every), at)
        forecasts.write(result, to)
        typer.echo(f"{to}: {forecasts.summary(result)}")
        if plot is not None:
            draw(result, plot)
            typer.echo(plot)


PICTURES = (".png", ".pdf", ".svg", ".jpg")


def draw(result: Dataset, path: Path) -> None:
    """Draw a forecast's maps into a file."""
    import matplotlib

    from lsntp import figures
    from lsntp.data import store

    matplotlib.use("agg")
    figures.style()
    figure = figures.forecast_maps(result)[0].figure
    with store.atomic_write(path, 2**24) as scratch:
        figure.savefig(scratch, format=path.suffix[1:], facecolor="white")


@app.command()
def evaluate(
    folder: Folder,
    files: Files,
    from_: From = None,
    until: Until = None,
    every: Every = None,
) -> None:
    """Score a kept model by lead, beside persistence, climatology and ridge.

    Of the field the region is taken that the model was trained on; by default from the start of its
    test period on.
    """
    from lsntp.results.tables import COLUMNS
    from lsntp.runs import forecasts
    from lsntp.runs.trained import Trained

    with told():
        trained = Trained.load(folder)
        field = opened(files, trained.region, every=every)
        scores = forecasts.evaluate(trained, field, from_, until)
        for score in ("mae", "rmse", "ssim", "psnr"):
            by_lead = scores[score].to_pandas().rename_axis(COLUMNS[score][0])
            by_lead["mean"] = by_lead.mean(axis=1)
            typer.echo(f"{by_lead.round(3).to_string()}\n")
        typer.echo(
            f"{scores.attrs['windows']} windows from {scores.attrs['first']} to "
            f"{scores.attrs['last']}; columns: lead (h)"
        )
        if seen := scores.attrs["seen"]:
            typer.echo(f"{seen} of these windows hold times that the model was trained on")


@app.command()
def campaign(
    name: Annotated[
        str, typer.Argument(help="A study of lsntp.results.campaigns, e.g. main; or all.")
    ],
    preset: Annotated[
        str, typer.Option(help="smoke, laptop or paper: how large and how long.")
    ] = "laptop",
    seeds: Annotated[
        int, typer.Option(parser=whole_number(1, 1000), help="Seeds 0, 1, … of every network.")
    ] = 3,
    dataset: Annotated[
        list[str] | None,
        typer.Option(help="A data set's name or your file; else the book's. May be repeated."),
    ] = None,
    jobs: Annotated[
        int, typer.Option(parser=whole_number(1, 1024), help="Runs at a time, one core each.")
    ] = 1,
    scheduler: Annotated[
        str | None, typer.Option(help="Run on this Dask cluster instead, e.g. tcp://host:8786.")
    ] = None,
    device: Device = "cpu",
) -> None:
    """Make all records of a study that are missing. Safe to kill and start again."""
    from lsntp.results import campaigns, studies
    from lsntp.runs import campaign as scheduling
    from lsntp.runs import records
    from lsntp.runs.training import processes

    with told(2):
        if processes() > 1:
            raise ValueError("a campaign shares out its runs itself: start it without torchrun")
        if scheduler == "":
            raise ValueError('--scheduler "": expected an address, e.g. tcp://host:8786')
        if name not in campaigns.NAMES:
            raise ValueError(
                f"study {name!r}: expected one of {', '.join(campaigns.NAMES)}; a data set is "
                "named by --dataset: lsntp campaign main --dataset FILE"
            )
        configs = campaigns.configs(name, preset, seeds, dataset or studies.REAL_SETS)
    with told():
        now = {name: records.fingerprint_now(name) for name in {c.dataset for c in configs}}
        todo = [c for c in configs if not records.is_current(c, fingerprint=now[c.dataset])]
        if not scheduler:
            scheduling.check(todo, device)
    typer.echo(f"{len(configs)} runs, {len(todo)} without a record")
    failed = 0
    try:
        runs = scheduling.run_all(todo, jobs, scheduler, device)
        for done, (config, failure) in enumerate(runs, start=1):
            failed += failure is not None
            outcome = f"FAILED: {failure}" if failure else str(records.path_of(config))
            typer.echo(f"{done}/{len(todo)} {config.title}: {outcome}", err=failure is not None)
    except (OSError, ValueError) as error:
        where = f'--scheduler "{scheduler}": {error}; expected a Dask cluster there'
        typer.echo(where if scheduler else str(error), err=True)
        raise typer.Exit(1) from None
    raise typer.Exit(int(failed > 0))


@app.command()
def verify(
    keys: Annotated[
        list[str] | None,
        typer.Argument(help="Keys of runs, or how they begin; or data sets: their field records."),
    ] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Or so many runs, at random.")] = None,
) -> None:
    """Make records again from nothing and compare all they hold.

    Of each it says whether it is identical, bit for bit; agrees, each score about as near as
    another seed comes; or differs. Exit code 0 if there was a record and none differs.
    """
    from lsntp.data.catalogue import REAL
    from lsntp.results import field_records, pearson
    from lsntp.runs import records, verification
    from lsntp.runs.experiment import describe_processor

    if bool(keys) == bool(sample):
        typer.echo("give one or more KEYS, or --sample N, a number of records", err=True)
        raise typer.Exit(2)
    answers, made_on = [], set()
    with told():
        once = dict.fromkeys(keys or [])
        fields = [name for name in once if name in REAL]
        named = [records.find_by_key(key) for key in once if key not in fields]
        for name in fields:
            for kind in (field_records, pearson):
                difference = kind.verify(name)
                exact = "identical" if difference == 0 else "agrees"
                answers.append(exact if difference <= field_records.AGREEMENT else "differs")
                typer.echo(
                    f"{name}, {kind.RECORDS.name}: {answers[-1]}, largest difference "
                    f"{difference:.2g} of {field_records.AGREEMENT:g}"
                )
        for record in named + (records.sample(sample) if sample else []):
            outcome = verification.verify(record)
            answers.append(outcome.answer)
            made_on.add(record.attrs.get("processor", f"{record.attrs['device']} of no name"))
            typer.echo(
                f"{record.attrs['key']} {records.config_of(record).title}: {outcome.answer}"
                + "".join(f"; {name} is not what was recorded" for name in outcome.unlike)
            )
            if not outcome.table.empty:
                typer.echo(outcome.table.to_string(float_format="{:.2g}".format))
    typer.echo(", ".join(f"{answers.count(a)} {a}" for a in verification.ANSWERS))
    if made_on:
        typer.echo(f"recorded on: {'; '.join(sorted(made_on))}")
    typer.echo(f"made again on: {describe_processor()}")
    raise typer.Exit(int("differs" in answers))
