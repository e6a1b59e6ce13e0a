"""What the released code does otherwise, switched one thing at a time; how its graph starts.

Shown in the notebook ``12_paper_and_code``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from lsntp.comparison import signed
from lsntp.findings import Rows, differences
from lsntp.graph import AdaptiveGraph

REFERENCE = "as the equations"
"""The row of :func:`lsntp.studies.paper_and_code` that the others differ from by one thing."""
BLOCKED, LEAKY = REFERENCE, "validation at random"
EFFECTS = {
    "higher": "the error rises with",
    "lower": "it falls with",
    "not separable": "not separable at this scale are",
}
"""What a change does, by the verdict on its row's error against the reference's."""


def summary(rows: Rows) -> str:
    """Say which changes of :func:`lsntp.studies.paper_and_code` raise the MAE and which lower it.

    With the difference of each, K, from the first row.
    """
    table = differences(rows, REFERENCE)
    said = []
    for verdict, effect in EFFECTS.items():
        changes = table[table["verdict"] == verdict]["difference"].items()
        named = [f"{label} ({signed(float(change))} K)" for label, change in changes]
        said.append(f"{effect} {', '.join(named) or 'none'}")
    return "; ".join(said)


def leak(rows: Rows) -> pd.DataFrame:
    """Validation loss beside training loss and test error, with blocked and with random windows.

    Returns
    -------
    DataFrame
        Means over seeds, at the epoch of the lowest validation loss: ``training`` and
        ``validation`` loss in scaled units, their ``ratio``, and ``test MAE (K)``.
    """
    found = {}
    for label in (BLOCKED, LEAKY):
        per_seed = []
        for record in rows[label]:
            best = int(record["validation_loss"].to_numpy().argmin())
            train, held_out = (
                float(record[f"{part}_loss"][best]) for part in ("train", "validation")
            )
            per_seed.append((train, held_out, held_out / train, float(record["mae"].mean())))
        found[label] = np.mean(per_seed, axis=0)
    columns = ["training", "validation", "ratio", "test MAE (K)"]
    return pd.DataFrame.from_dict(found, orient="index", columns=columns)


def leak_verdict(rows: Rows, dataset: str) -> str:
    """Say in words what random validation windows make of the validation loss."""
    table = leak(rows)
    ratio = table["ratio"]
    lower = table.loc[LEAKY, "validation"] / table.loc[BLOCKED, "validation"] - 1
    return (
        f"- On **{dataset}** the validation loss is {ratio[BLOCKED]:.2f} times the training loss "
        f"with blocks and {ratio[LEAKY]:.2f} times with random windows; drawn at random it is "
        f"{abs(100 * lower):.0f} % {'lower' if lower < 0 else 'higher'} than with blocks, while "
        f"the test error goes from {table.loc[BLOCKED, 'test MAE (K)']:.3f} to "
        f"{table.loc[LEAKY, 'test MAE (K)']:.3f} K."
    )


def first_graph(nodes: int, size: int, seed: int = 0) -> pd.Series:
    """Say how near to uniform an untrained graph is.

    Parameters
    ----------
    nodes, size : int
        N and E.
    seed : int
        Of the embedding.

    Returns
    -------
    Series
        In multiples of 1/N: ``deviation`` (s.d. of the off-diagonal weights around 1), ``lowest``,
        ``highest``, ``own`` (mean weight of a node for itself); ``zero_scores``: share of scores
        that the ReLU sets to zero, and whose weight is the row's floor, not zero.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        graph = AdaptiveGraph(nodes, size)
    with torch.no_grad():
        relative = graph().double().numpy() * nodes
        scores = (graph.embedding @ graph.embedding.T).numpy()
    others = ~np.eye(nodes, dtype=bool)
    return pd.Series(
        {
            "deviation": float(relative[others].std()),
            "lowest": float(relative[others].min()),
            "highest": float(relative[others].max()),
            "own": float(relative.diagonal().mean()),
            "zero_scores": float((scores[others] <= 0).mean()),
        }
    )
