"""The command ``lsntp``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from xarray import DataArray

    from lsntp.data.coordinates import Region

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
    typer.echo(_table(rows))
    typer.echo(f"\nFiles are looked for in {data_dir()} (LSNTP_DATA_DIR).")


def years_of(given: str) -> list[int]:
    """Read an option that is a year, or the first and the last of some."""
    first, _, last = given.partition("-")
    last = last or first
    if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
        raise typer.BadParameter(f"--years {given}: expected first and last, such as 2017-2018")
    return list(range(int(first), int(last) + 1))


def region_of(given: str) -> Region:
    """Read an option that is a region."""
    try:
        north, west, south, east = map(float, given.split(","))
    except ValueError:
        expected = "expected north,west,south,east in degrees, such as 54,73,16,135"
        raise typer.BadParameter(f"--region {given}: {expected}") from None
    return north, west, south, east


@data.command()
def fetch(
    names: Annotated[
        list[str] | None, typer.Argument(help="Data sets; by default the book's, some megabytes.")
    ] = None,
    years: Annotated[
        str | None, typer.Option(metavar="YEAR-YEAR", help="Other years than 2017-2018.")
    ] = None,
    region: Annotated[
        str | None, typer.Option(metavar="N,W,S,E", help="Another region, degrees.")
    ] = None,
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
    span = years_of(years) if years else YEARS
    box = region_of(region) if region else None
    for name in names or datasets.REAL:
        try:
            if name in REMOTE:
                for path in china.fetch(name, span, box, source):
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


@data.command()
def check() -> None:
    """Verify every data set found on disk; exit code 1 if a file is corrupt."""
    from lsntp.data.datasets import NAMES, status
    from lsntp.data.reanalyses import REMOTE

    rows = [status(name) for name in (*NAMES, *REMOTE)]
    details = [f"{row['name']}: {row.pop('detail')}" for row in rows]
    typer.echo(_table(rows) + "\n\n" + "\n".join(details))
    raise typer.Exit(int(any(row["state"] == "corrupt" for row in rows)))


Train = Annotated[Literal["cpu", "cuda", "mps", "auto"], typer.Option(help="What to train on.")]


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Read an option that is a whole number; what is not is named, and what was expected."""

    def parse(given: str) -> int:
        try:
            number = int(given)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise typer.BadParameter(f"{given!r}: expected a whole number, {least} to {most}")
        return number

    return parse


@app.callback()
def _log(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log every epoch.")] = False,
) -> None:
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    logging.getLogger("lsntp").setLevel(logging.INFO if verbose else logging.WARNING)


Files = Annotated[
    list[str], typer.Argument(help="A data set's name, or your files, a glob, a URL, a Zarr store.")
]


@app.command()
def run(
    files: Files,
    model: Annotated[str, typer.Argument(help="For example lsntp-equations, convlstm, ridge.")],
    recipe: Annotated[
        str | None, typer.Option(help="modern, released or tuned: how it is trained.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="smoke, laptop, paper or tuned: how large and how long.")
    ] = None,
    seed: Annotated[
        int,
        typer.Option(parser=whole_number(0, 2**63 - 1), help="First weights, order of windows."),
    ] = 0,
    device: Train = "cpu",
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


Folder = Annotated[Path, typer.Argument(help="Folder of a model, as lsntp train wrote it.")]
From = Annotated[str | None, typer.Option("--from", help="First time, e.g. 2019-03-25.")]
Until = Annotated[str | None, typer.Option(help="Last time, e.g. 2019-03-31T18.")]
Every = Annotated[
    int | None, typer.Option(parser=whole_number(1, 10**6), help="Take every n-th step.")
]


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


@contextmanager
def told() -> Iterator[None]:
    """Tell a user's mistake in a line, and exit with 1; with 2 where an argument is wrong."""
    from pydantic import ValidationError

    from lsntp.data.checks import sentence

    try:
        yield
    except ValidationError as error:
        typer.echo(sentence(error), err=True)
        raise typer.Exit(2) from None
    except (ValueError, OSError, FloatingPointError, RuntimeError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


@app.command()
def train(
    files: Files,
    to: Annotated[Path, typer.Option(help="Folder to keep the model in.")],
    model: Annotated[str, typer.Option(help="For example lsntp-tuned, convlstm, ridge.")] = (
        "lsntp-tuned"
    ),
    recipe: Annotated[str | None, typer.Option(help="modern, released or tuned.")] = None,
    preset: Annotated[str | None, typer.Option(help="smoke, laptop, paper or tuned.")] = None,
    seed: Annotated[int, typer.Option(parser=whole_number(0, 2**63 - 1))] = 0,
    steps: Annotated[
        int, typer.Option(parser=whole_number(1, 1000), help="Frames that the model sees.")
    ] = 6,
    lead: Annotated[
        int, typer.Option(parser=whole_number(1, 1000), help="Frames that it forecasts.")
    ] = 6,
    region: Annotated[
        str | None, typer.Option(metavar="N,W,S,E", help="Of the field, degrees.")
    ] = None,
    from_: From = None,
    until: Until = None,
    every: Every = None,
    device: Train = "cpu",
) -> None:
    """Train a model and keep it: weights, scaler, grid and where they come from.

    The last fifth of the times is left for lsntp evaluate. Safe to kill and start again.
    """
    from lsntp.data import store
    from lsntp.runs import forecasts

    box = region_of(region) if region else None
    with told():
        store.check_folder(to, "--to")
        trained = forecasts.train(
            opened(files, box, (from_, until), every),
            model,
            recipe=recipe,
            preset=preset,
            seed=seed,
            input_steps=steps,
            lead_steps=lead,
            device=device,
            progress=True,
        )
        typer.echo(trained.save(to))


@app.command()
def forecast(
    folder: Folder,
    files: Files,
    to: Annotated[Path, typer.Option(help="NetCDF file to write, or Zarr store: *.zarr.")],
    at: Annotated[
        list[str] | None,
        typer.Option(help="Time of the last frame seen; by default the last of all."),
    ] = None,
    every: Every = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the first forecast, e.g. map.png.")
    ] = None,
) -> None:
    """Forecast from the latest frames of a field, or from those up to other times.

    Of the field the region is taken that the model was trained on.
    """
    from lsntp.data import store
    from lsntp.runs import forecasts
    from lsntp.runs.trained import Trained

    with told():
        if to.is_dir():
            raise ValueError(f"--to {to}: a folder is there already; expected a new name")
        trained = Trained.load(folder)
        result = forecasts.forecast(trained, opened(files, trained.region, every=every), at)
        with store.atomic_write(to, result.nbytes + 2**16) as scratch:
            if to.suffix == ".zarr":
                result.to_zarr(scratch, zarr_format=2)  # 3 warns of its own index
            else:
                result.to_netcdf(scratch, engine="netcdf4")
        typer.echo(to)
        if plot is not None:
            import matplotlib

            matplotlib.use("agg")
            from lsntp import figures

            figures.style()
            first = result["t2m"][0]
            axes = figures.maps_row({f"+{h:g} h": first.sel(lead=h) for h in result["lead"].values})
            axes[0].figure.suptitle(result.attrs["title"])
            axes[0].figure.savefig(plot, facecolor="white")
            typer.echo(plot)


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


@app.command()
def campaign(
    name: Annotated[
        str, typer.Argument(help="A study of lsntp.results.studies, e.g. main; or all.")
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
    device: Train = "cpu",
) -> None:
    """Make all records of a study that are missing. Safe to kill and start again."""
    from lsntp.results import studies
    from lsntp.runs import campaign as campaigns
    from lsntp.runs import records
    from lsntp.runs.training import processes

    try:
        if processes() > 1:
            raise ValueError("a campaign shares out its runs itself: start it without torchrun")
        if scheduler == "":
            raise ValueError('--scheduler "": expected an address, e.g. tcp://host:8786')
        configs = studies.configs(name, preset, seeds, dataset or studies.REAL_SETS)
    except ValueError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    todo = [config for config in configs if not records.is_stored(config)]
    typer.echo(f"{len(configs)} runs, {len(todo)} without a record")
    failed = 0
    try:
        runs = campaigns.run_all(todo, jobs, scheduler, device)
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
    from lsntp.data.datasets import REAL, DataError
    from lsntp.results import field_records, pearson
    from lsntp.runs import records, verification
    from lsntp.runs.experiment import describe_processor

    if bool(keys) == bool(sample):
        typer.echo("give one or more KEYS, or --sample N, a number of records", err=True)
        raise typer.Exit(2)
    answers, made_on = [], set()
    try:
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
    except (records.RecordError, DataError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    typer.echo(", ".join(f"{answers.count(a)} {a}" for a in verification.ANSWERS))
    if made_on:
        typer.echo(f"recorded on: {'; '.join(sorted(made_on))}")
    typer.echo(f"made again on: {describe_processor()}")
    raise typer.Exit(int("differs" in answers))
