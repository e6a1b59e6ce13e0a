"""Two processes started by torchrun train one network: same losses, same weights, one writer."""

import json
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from lsntp.data.synthetic import synthetic
from lsntp.data.windows import prepare
from lsntp.runs import records, training
from lsntp.runs.config import RunConfig
from lsntp.zoo import MODELS

# SimVP is not among them: under DDP its batch norm sees the windows of its own process only
TOGETHER = ("convlstm", "agcrn", "lsntp-equations", "lsntp-released", "lsntp-tuned")
EPOCHS = 3
FAULT = "a fault in one process"


def train(folder: Path, rank_that_fails: int = -1) -> None:
    """Train some networks; losses and weights go to ``folder``, written by the first process.

    The odd batch does not divide by two, and the last of each epoch has a single window, so that
    the second process has none. One weight of the networks gets no gradient.
    """
    torch.set_num_threads(1)
    field = synthetic(height=8, width=10, steps=300, links=1, seed=1).t2m
    data = prepare(field, 6, 6, "anomaly", "blocked")
    batch_size = next(b for b in range(21, 99, 2) if len(data.split.train) % b == 1)
    recipe = training.RECIPES["modern"].model_copy(update={"clip_norm": 0.05, "average": 0.5})
    validate, validations = training.predict, 0

    def predict(*arguments: object) -> np.ndarray:
        nonlocal validations
        validations += 1
        if training.rank() == rank_that_fails and validations == 2:
            raise RuntimeError(FAULT)
        return validate(*arguments)

    for name in TOGETHER:
        torch.manual_seed(0)
        model = MODELS[name].build(8, 10, hidden=4, embedding=4, downsample=True)
        model.unused = torch.nn.Parameter(torch.ones(3))
        with mock.patch.object(training, "predict", predict):
            history = training.fit(
                model,
                data,
                recipe,
                epochs=EPOCHS,
                batch_size=batch_size,
                seed=0,
                checkpoint=folder / f"{name}.checkpoint",
            )
        if training.rank() == 0:
            losses = {"train": history.train_loss, "validation": history.validation_loss}
            (folder / f"{name}.json").write_text(json.dumps(losses))
            save_file(model.state_dict(), folder / f"{name}.safetensors")
    if training.rank() == 0:
        print(validations)


def torchrun(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a script or module in two processes of this environment."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,  # processes that wait for each other would never end
    )


def test_two_processes_train_as_one_after_a_fault_and_a_resumption(tmp_path: Path) -> None:
    together, alone = tmp_path / "together", tmp_path / "alone"
    together.mkdir()
    alone.mkdir()
    faulty = torchrun(__file__, together, "1")
    assert faulty.returncode != 0 and FAULT in faulty.stderr
    assert not list(together.glob("*.json"))  # the other process was ended, too
    resumed = torchrun(__file__, together, "-1")
    assert resumed.returncode == 0, resumed.stderr
    done = int(resumed.stdout.split()[-1])
    assert (len(TOGETHER) - 1) * EPOCHS < done < len(TOGETHER) * EPOCHS  # an epoch was not redone

    train(alone)
    for name in TOGETHER:
        losses = [json.loads((at / f"{name}.json").read_text()) for at in (together, alone)]
        weights = [load_file(at / f"{name}.safetensors") for at in (together, alone)]
        for part in ("train", "validation"):
            assert len(losses[0][part]) == EPOCHS
            np.testing.assert_allclose(losses[0][part], losses[1][part], rtol=0, atol=1e-5)
        for weight, value in weights[1].items():
            torch.testing.assert_close(weights[0][weight], value, rtol=0, atol=1e-4)
        assert torch.equal(weights[0]["unused"], torch.ones(3))  # nor decayed


def test_a_run_of_two_processes_leaves_one_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LSNTP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("LSNTP_RECORDS_DIR", str(tmp_path / "alone"))
    field = synthetic(height=8, width=10, steps=300, links=1, seed=1).t2m
    field.assign_attrs(units="K").to_netcdf(tmp_path / "own.nc")
    config = RunConfig(dataset=str(tmp_path / "own.nc"), model="convlstm", preset="smoke")
    alone = records.run(config)
    monkeypatch.setenv("LSNTP_RECORDS_DIR", str(tmp_path / "together"))
    result = torchrun("-m", "lsntp", "run", config.dataset, "convlstm", "--preset", "smoke")
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("MAE (K)") == 1  # only one of them prints
    together = records.find(config)
    assert together.attrs["device"] == f"2 × {alone.attrs['device']}"
    assert [p.name for p in (tmp_path / "together").iterdir()] == [records.path_of(config).name]
    assert [p.suffix for p in (tmp_path / "cache" / "checkpoints").iterdir()] == [".lock"]
    for score in ("train_loss", "validation_loss", "mae", "psnr"):
        np.testing.assert_allclose(together[score], alone[score], rtol=1e-5)


def test_shares_of_a_batch_weigh_as_the_whole() -> None:
    for windows, processes in [(8, 2), (7, 2), (1, 2), (3, 4), (8, 1)]:
        batch = np.arange(10, 10 + windows)
        shares = [training.share_of(batch, rank, processes) for rank in range(processes)]
        assert all(len(mine) for mine, _ in shares)
        mean = np.mean([weight * mine.mean() for mine, weight in shares])
        assert mean == pytest.approx(batch.mean())
    assert training.share_of(batch, 0, 1)[1] == 1.0  # so that one process computes as ever


if __name__ == "__main__":
    train(Path(sys.argv[1]), int(sys.argv[2]))
