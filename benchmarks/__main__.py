"""``python -m benchmarks``: measure speed and memory on this machine, from the checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from benchmarks import released, scale, store
from lsntp.cli.options import whole_number
from lsntp.data.store import check_folder

bench = typer.Typer(help="Measure speed and memory on this machine.", no_args_is_help=True)
Threads = Annotated[int, typer.Option(parser=whole_number(1, 1024), help="Threads on the CPU.")]
Device = Annotated[Literal["cpu", "cuda"], typer.Option(help="What to measure.")]
To = Annotated[Path | None, typer.Option(help="Folder for the record; else where records are.")]


@bench.command("released")
def released_(
    path: Annotated[Path, typer.Option(help="Your clone of the released code.")],
    threads: Threads = 2,
    device: Device = "cpu",
    quick: Annotated[bool, typer.Option("--quick", help="Tiny networks; no record.")] = False,
    to: To = None,
) -> None:
    """Time the released code and this library side by side, if both compute the same.

    Takes some 20 minutes and 12 GiB on 2 cores; with --quick, about one. Columns: speedup,
    memory_ratio and share are the released code's median time by this one's, this one's peak memory
    by the released code's, and the fewest operations of its form by its time and the measured peak.
    """
    cases, budget_s = (released.QUICK, 1.0) if quick else (released.CASES, 45.0)
    try:
        _check(to, trial=quick)
        record = released.run(
            path, device=device, threads=threads, cases=cases, budget_s=budget_s, say=typer.echo
        )
    except (ValueError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    columns = ["case", "model", "precision", "task", "median_s", "speedup", "memory_ratio", "share"]
    typer.echo(released.table(record)[columns].to_string(index=False, float_format="{:.3g}".format))
    _keep(record, to, trial=quick)


@bench.command("scale")
def scale_(
    threads: Threads = 2,
    device: Device = "cpu",
    sizes: Annotated[
        str | None, typer.Option(help="Numbers of nodes, e.g. 500,1000,2000,4000; no record.")
    ] = None,
    to: To = None,
) -> None:
    """Let the number of nodes grow: time and memory of the graph product, dense and tiled.

    Takes some 6 minutes and 5 GiB on 2 cores. share and share_plain are its operations by its time
    and the measured peak, counted with and without the symmetry of the graph's numerator.
    """
    trial = sizes is not None
    try:
        numbers = [int(n) for n in sizes.split(",")] if sizes is not None else scale.SIZES
    except ValueError:
        message = f'--sizes "{sizes}": expected whole numbers with commas, e.g. 500,1000,2000,4000'
        typer.echo(message, err=True)
        raise typer.Exit(2) from None
    try:
        _check(to, trial=trial)
        record = scale.run(
            device=device,
            threads=threads,
            sizes=numbers,
            forward_sizes=scale.GPU_SIZES if device == "cuda" and not trial else (),
            budget_s=1.0 if trial else 15.0,
            say=typer.echo,
        )
    except (ValueError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    columns = ["nodes", "method", "task", "median_s", "peak_memory_mib", "share", "share_plain"]
    typer.echo(scale.table(record)[columns].to_string(index=False, float_format="{:.3g}".format))
    _keep(record, to, trial=trial)


def _check(to: Path | None, trial: bool) -> None:
    """Tell before a measurement that :func:`_keep` could not store it."""
    if to is not None or not trial:
        check_folder(to or store.folder(), "--to")


def _keep(record: store.Record, to: Path | None, trial: bool) -> None:
    """Store a measurement and say where; a trial only where a folder is given."""
    peaks = ", ".join(f"{name} {value:.0f}" for name, value in record.peak_gflops.items())
    typer.echo(f"matrix-product peak, Gflop/s: {peaks}")
    if to is not None or not trial:
        typer.echo(str(store.save(record, to)))


if __name__ == "__main__":
    bench()
