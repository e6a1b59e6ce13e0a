"""Benchmarks: what they count, what they refuse to compare, what they keep. No time is asserted."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import papermill
import pytest
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from typer.testing import CliRunner

from benchmarks import draw, flops, machine, released, scale, store
from benchmarks.__main__ import bench as app
from benchmarks.flops import Case
from lsntp import LSNTP
from lsntp.data.store import RecordError, write_json
from lsntp.model import product
from lsntp.model.convlstm import ConvLSTMLayer
from lsntp.model.graph import AdaptiveGraph

ROOT = Path(__file__).parents[1]
PLAIN = Case(6, 7, 4, 8, batch=2, input_steps=3, lead_steps=2)
HALVED = Case(9, 13, 3, 8, downsample=True, batch=2, input_steps=2, lead_steps=3)

# A stand-in for a clone: its interface and its names of weights, our network inside.
NETWORK = """
from torch import nn
from lsntp import LSNTP
from lsntp.model.checkpoints import our_name

class Network(nn.Module):
    def __init__(self, config):
        super().__init__()
        data, model = config["data"], config["model"]
        print("a line that must not be seen")
        self.inner = LSNTP.released(
            int(data["height"]), int(data["width"]), int(model["conv_dim"]),
            int(model["node_embedding_dim"]), int(model["kernel_size"]),
            str(model["lsntp_downsample"]) == "True", int(model["input_len"]),
        )

    def state_dict(self):
        halved = self.inner.shrink is not None
        theirs = (
            ("graph.embedding", "node_embeddings"), ("shrink.", "encoder.conv2d."),
            ("encoder.0.", "encoder.convrnn1."), ("encoder.1.", "encoder.convrnn2."),
            ("decoder.0.", "decoder.convrnn3."), ("decoder.1.", "decoder.convrnn4."),
            ("head.", "decoder.conv2dtranspose." if halved else "decoder.conv2d."),
            ("operator.nsa.0.gate.", "conv.spatial_atten_block.spatail_atten."),
            ("cell.operator.lsi.", "cell.conv."), ("w_c", "w_c_"),
        )
        state = {}
        for name, value in self.inner.state_dict().items():
            released = name
            for ours, their in theirs:
                released = released.replace(ours, their)
            assert our_name(released) == name
            state[released] = value
        return state

    def forward(self, x):
        y = self.inner(x.cuda())
        return RESULT
"""


def fake_clone(folder: Path, result: str = "y") -> Path:
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "network.py").write_text(NETWORK.replace("RESULT", result))
    return folder


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return fake_clone(tmp_path / "clone")


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """No new processes, and a peak measured on small matrices."""
    peak = machine.peak
    monkeypatch.setattr(machine, "in_fresh_process", lambda function, *a: function(*a))
    monkeypatch.setattr(machine, "peak", lambda device="cpu": peak(device, sizes=(64, 128)))


def levers() -> ModuleType:
    spec = importlib.util.spec_from_file_location("levers", ROOT / "benchmarks" / "levers.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---- counting operations


class EagerAdjacency:
    """The adjacency rebuilt by plain tensor operations in every product."""

    def __init__(self, embedding: Tensor) -> None:
        self.embedding, self.shape = embedding, torch.Size((len(embedding),) * 2)

    def __matmul__(self, x: Tensor) -> Tensor:
        return torch.softmax(torch.relu(self.embedding @ self.embedding.T), dim=1) @ x


def counted(model: torch.nn.Module, case: Case) -> tuple[int, int]:
    """Operations PyTorch sees in a forward pass and in a training step."""
    x, target = released.random_batch(case, "cpu")
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        model(x)
    with FlopCounterMode(display=False) as step:
        torch.nn.functional.mse_loss(model(x), target).backward()
    return forward.get_total_flops(), step.get_total_flops()


@pytest.mark.parametrize("case", [PLAIN, HALVED], ids=["plain", "halved"])
def test_count_of_the_released_code(monkeypatch: pytest.MonkeyPatch, case: Case) -> None:
    """A network that works as the released code does spends exactly what is counted."""
    monkeypatch.setattr(product, "library", lambda: "torch.mm")  # PyTorch counts only its own
    monkeypatch.setattr(AdaptiveGraph, "adjacency", lambda self: EagerAdjacency(self.embedding))
    monkeypatch.setattr(ConvLSTMLayer, "forward", levers().with_zeros(ConvLSTMLayer.forward))
    forward, step = flops.released_code(case)
    model = released.build(released.OURS, case, Path(), "cpu")
    assert counted(model, case) == (sum(forward.values()), step)


@pytest.mark.parametrize("case", [PLAIN, HALVED], ids=["plain", "halved"])
def test_fewest_operations_are_what_the_library_spends(
    monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    """Equations form: all but half of E Eᵀ and the first hidden states, which are not saved."""
    monkeypatch.setattr(product, "library", lambda: "torch.mm")
    fewest = flops.fewest(case, "equations")
    total, half = sum(fewest.values()), fewest["adjacency"]
    n, b, f = case.nodes, case.batch, case.hidden
    first = 2 * n * b * f * (n + 4 * f * case.kernel**2 + 3 * f)  # on a hidden state of zeros
    # gradients with respect to the data, and, where they come first, to that state
    unasked = 2 * n * b * (9 * case.input_steps if case.downsample else 1 + f**2)
    forward, step = counted(released.build(released.EQUATIONS, case, Path(), "cpu"), case)
    assert forward == total + half + 2 * first
    assert step == 3 * (total + 2 * first) + half - unasked


def test_fewest_operations_by_hand() -> None:
    """Four nodes, one hidden channel, one step: 1, 1, 1 and 2 channels that are not zero."""
    case = Case(2, 2, 1, 1, batch=1, input_steps=1, lead_steps=1, kernel=1)
    equations, released_form = flops.fewest(case, "equations"), flops.fewest(case, "released")
    assert equations == {
        "adjacency": 16,
        "graph product": 2 * 16 * 5,
        "LSI": 2 * 4 * 5 * 4,
        "NSA": 2 * 4 * 3 * 5,
        "ends": 2 * 4 * 9,
    }
    assert released_form == equations | {"NSA": 2 * 4 * (3 * 8 + 12)}
    with pytest.raises(ValueError, match='form="theirs": expected released or equations'):
        flops.fewest(case, "theirs")


def test_operations_of_the_product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(product, "library", lambda: "torch.mm")

    def spent(nodes: int, call: Any) -> int:
        e, x = torch.randn(2, nodes, 4)
        e.requires_grad_(), x.requires_grad_()
        with FlopCounterMode(display=False) as counter:
            call(e, x).sum().backward()
        return counter.get_total_flops()

    plain = spent(50, lambda e, x: EagerAdjacency(e) @ x)
    assert plain == flops.product_plain(50, 4, 4)[1]
    # Tiles on the diagonal have no partner to serve: somewhat more than the fewest.
    tiled = spent(4096, lambda e, x: product.graph_product(e, x, method="tiled"))
    fewest = flops.product_fewest(4096, 4, 4)[1]
    assert fewest <= tiled <= 1.15 * fewest


# ---- what is compared


def test_bench_released_runs_a_clone(light: None, clone: Path, tmp_path: Path) -> None:
    command = f"released --path {clone} --threads 1 --quick --to {tmp_path / 'to'}"
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == 0, result.output
    assert "must not be seen" not in result.output
    assert "13×17, hidden 4" in result.output and "Gflop/s" in result.output
    (path,) = (tmp_path / "to").glob("*.json")
    assert str(path) in result.output
    record = store.load(path.stem, path.parent)
    assert len(record.settings["released"]["model_sha256"]) == 64
    table = released.table(record)
    assert len(table) == 2 * 3 * 2
    assert set(table["model"]) == {released.THEIRS, released.OURS, released.EQUATIONS}
    theirs = table[table["model"] == released.THEIRS]
    assert (theirs["speedup"] == 1).all() and (theirs["counted_flops"] > 0).all()
    assert (table["count"] >= 5).all() and (table["share"] > 0).all()
    assert table.loc[table["task"] == "step", "peak_memory_mib"].notna().all()
    same = table.loc[table["model"] == released.OURS, ["output", "loss", "output_after_3_steps"]]
    assert (same <= released.TOLERANCE).all(axis=None)
    assert not list(clone.rglob("__pycache__"))


@pytest.mark.parametrize("wrong", ["y + 1e-3 * y.abs().max()", "2 * y.detach() - y", "y * nan"])
def test_a_network_that_computes_otherwise_is_not_timed(
    light: None, tmp_path: Path, wrong: str
) -> None:
    """Other values, the same values with other gradients, no values."""
    path = fake_clone(tmp_path, wrong.replace("nan", "float('nan')"))
    command = f"released --path {path} --threads 1 --quick --to {tmp_path / 'to'}"
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == 1
    assert "differ by" in result.output and "nothing was timed" in result.output
    assert not list((tmp_path / "to").iterdir())


def test_what_is_no_clone_is_told(light: None, tmp_path: Path) -> None:
    command = f"released --path {tmp_path} --threads 1 --quick".split()
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1 and "holds no model/network.py" in result.output
    (tmp_path / "model").mkdir()
    for text, message in (
        ("import nothing_of_this_name", "gives no class Network"),
        ("class Network:\n    def __init__(self, other):\n        other['x']", "cannot be built"),
    ):
        (tmp_path / "model" / "network.py").write_text(text)
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 1 and message in result.output


def test_only_a_repository_of_its_own_has_a_commit(clone: Path) -> None:
    """Not the repository around it, if any."""
    inside = ROOT / "tests"
    assert released.identify(inside)["commit"] == ""
    before = released.identify(clone)
    (clone / "model" / "network.py").write_text("other")
    assert released.identify(clone)["model_sha256"] != before["model_sha256"]


def test_a_request_for_a_gpu_is_passed_over_while_the_clone_runs(clone: Path) -> None:
    theirs = released.Clone(clone, PLAIN)
    x, _ = released.random_batch(PLAIN, "cpu")
    original = Tensor.cuda
    theirs(x)
    assert Tensor.cuda is original


def test_all_lines_of_a_gpu_run(light: None, clone: Path) -> None:
    """The path a GPU takes, on the CPU: TF32 and bfloat16 lines; float32 weights."""
    record = released.run(
        clone,
        threads=1,
        cases=(Case(6, 7, 4, 8, batch=2),),
        budget_s=0,
        precisions=machine.PRECISIONS,
        say=str,
    )
    table = released.table(record)
    lines = set(zip(table["model"], table["precision"], strict=True))
    ours = {(m, p) for m in (released.OURS, released.EQUATIONS) for p in machine.PRECISIONS}
    assert lines == ours | {(released.THEIRS, "float32")}
    assert torch.get_float32_matmul_precision() == "highest"


def test_bfloat16_reaches_the_products() -> None:
    a = torch.randn(32, 32)
    with machine.precision("bf16", "cpu"):
        assert (a @ a).dtype == torch.bfloat16
    with machine.precision("tf32", "cpu"):
        assert torch.get_float32_matmul_precision() == "high"
    with pytest.raises(ValueError, match='precision "fp8": expected one of float32, tf32, bf16'):
        machine.precision("fp8", "cpu").__enter__()


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is at hand")
@pytest.mark.parametrize("command", [["released", "--path", "."], ["scale"]])
def test_a_device_that_is_not_there_is_told(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--device", "cuda"])
    assert result.exit_code == 1 and "no CUDA device" in result.output
    result = CliRunner().invoke(app, [*command, "--device", "tpu"])
    assert result.exit_code == 2 and all(d in result.output for d in ("tpu", "cpu", "cuda"))


# ---- time, memory, peak


def test_calls_alternate() -> None:
    order: list[str] = []
    seconds = machine.alternate({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 0)
    assert order == ["a", "b"] * 6
    assert len(seconds["a"]) == len(seconds["b"]) == 5


def touch(mib: int) -> np.ndarray:
    return np.ones(mib * machine.MIB // 8)


def peak_of(mib: int) -> float:
    return machine.peak_above(lambda: touch(mib))


def test_memory_is_that_of_the_call_alone() -> None:
    """Also in a process that was started by a larger one."""
    ballast = touch(300)
    assert 95 < machine.in_fresh_process(peak_of, 100) < 115
    assert ballast[-1] == 1


def test_memory_of_a_step_in_its_own_process(clone: Path) -> None:
    case = Case(21, 35, 16, 16, batch=4)
    mib = machine.in_fresh_process(
        released.memory_of_step, released.OURS, case, clone, "cpu", (1, "float32")
    )
    activations = 4 * 24 * 7 * 16 * 735 * case.batch / machine.MIB  # at least the gates' inputs
    assert activations < mib < 2000


def test_the_peak_is_the_larger_of_the_libraries() -> None:
    peaks = machine.peak(sizes=(64, 128))
    assert set(peaks) == set(product.LIBRARIES)
    assert all(value > 0 for value in peaks.values())
    assert machine.float32_peak({"torch.mm": 97.0, "oneDNN": 210.0, "torch.mm tf32": 999.0}) == 210
    a, b = torch.randn(5, 3), torch.randn(4, 3)
    for multiply in product.LIBRARIES.values():
        torch.testing.assert_close(multiply(a, b), a @ b.T)


# ---- growth


def test_bench_scale(light: None, tmp_path: Path) -> None:
    command = f"scale --sizes 20,100 --threads 1 --to {tmp_path}"
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == 0, result.output
    (path,) = tmp_path.glob("*.json")
    table = scale.table(store.load(path.stem, tmp_path))
    both, alone = table[table["task"] == "step"], table[table["task"] == "forward"]
    assert list(zip(both["method"], both["nodes"], strict=True)) == [
        (method, nodes) for method in ("dense", "tiled") for nodes in (20, 100)
    ]
    assert list(alone["method"]) == ["dense", "tiled", "16 links", "64 links"]
    assert set(alone["nodes"]) == {100} and list(alone["share"].isna()) == [False] * 2 + [True] * 2
    ratio = flops.product_plain(20, 64, 64)[1] / flops.product_fewest(20, 64, 64)[1]
    np.testing.assert_allclose(both["share_plain"] / both["share"], ratio)


def test_scale_without_the_matrix_and_forward_alone(
    light: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a GPU is given beyond the sizes of the CPU."""
    monkeypatch.setattr(scale, "DENSE_UP_TO", 20)
    record = scale.run(threads=1, sizes=(20, 30), forward_sizes=(50,), budget_s=0, say=str)
    assert [(r["nodes"], r["method"], r["task"]) for r in record.rows] == [
        (20, "dense", "step"),
        (20, "tiled", "step"),
        (30, "tiled", "step"),
        (50, "tiled", "forward"),
    ]
    row = scale.table(record).iloc[-1]
    expected = flops.product_fewest(50, 64, 64)[0] / row["median_s"] / 1e9
    assert row["share"] == pytest.approx(expected / machine.float32_peak(record.peak_gflops))


@pytest.mark.parametrize("sizes", ["0", "ten", ""])
def test_a_size_that_is_none_is_told(sizes: str) -> None:
    result = CliRunner().invoke(app, ["scale", "--sizes", sizes])
    assert result.exit_code in (1, 2) and sizes in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("constant", "exponent"), [(0.0, 2.0), (40.0, 1.0), (3.0, 1.5), (0.0, 0.7)]
)
def test_fit_recovers_a_planted_growth(constant: float, exponent: float) -> None:
    nodes = list(scale.SIZES)
    noise = 1 + 0.003 * np.random.default_rng(0).standard_normal(len(nodes))
    planted = constant + 1e-3 * np.array(nodes, float) ** exponent
    fit = scale.fit(nodes, list(planted * noise))
    assert fit.exponent == pytest.approx(exponent, abs=0.03)
    assert abs(fit.exponent - exponent) < 4 * fit.error + 1e-3
    np.testing.assert_allclose(fit.at(nodes), planted, rtol=0.02)


def test_fit_refuses_what_it_cannot_fit() -> None:
    for nodes, y in (([1, 2, 3], [1, 2, 3]), ([1, 2, 3, 4], [1, 2, 3, 0]), ([1, 2, 3, 4], [1])):
        with pytest.raises(ValueError, match="cannot fit growth .* expected 4 or more positive"):
            scale.fit(nodes, y)


# ---- figures


def test_dots_stand_at_their_ratios() -> None:
    """What was not measured has no dot, and one is marked."""
    table = pd.DataFrame(
        {"one": [1.2, 3.4], "two": [0.9, np.nan], "three": [1, 1], "four": [2, 2]},
        index=["adjacency once a pass", "zeros skipped"],
    )
    ax = draw.ratio_dots(table, "time without / with it")
    assert [text.get_text() for text in ax.get_yticklabels()] == [*table.index]
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == [*table]
    for line, name in zip(ax.lines, names, strict=False):
        np.testing.assert_array_equal(line.get_xdata(), table[name])
        np.testing.assert_array_equal(line.get_ydata(), [0, 1])
    assert [*ax.lines[-1].get_xdata()] == [1, 1] and ax.yaxis_inverted()
    plt.close("all")


def test_growth_shows_points_and_fit() -> None:
    nodes = [10, 20, 40, 80]
    table = pd.DataFrame({"nodes": nodes, "method": "tiled", "median_s": [n**2.0 for n in nodes]})
    fits = {"tiled": scale.fit(nodes, list(table["median_s"]))}
    ax = draw.growth(table, "median_s", fits)
    points, line = ax.lines
    np.testing.assert_allclose(points.get_ydata(), table["median_s"])
    np.testing.assert_allclose(line.get_ydata(), line.get_xdata() ** 2, rtol=1e-3)
    assert ax.get_xscale() == ax.get_yscale() == "log" and "2.00" in points.get_label()
    assert [text.get_text() for text in ax.get_xticklabels()] == ["10", "40"]
    with pytest.raises(ValueError, match='value "share": expected one of median_s'):
        draw.growth(table, "share", fits)
    plt.close("all")


# ---- levers


def test_a_step_without_a_lever_computes_the_same() -> None:
    """Each plain way gives the loss and the gradients of the engine, and is taken back."""
    script = levers()
    case = Case(6, 7, 4, 8, batch=2)
    torch.manual_seed(0)
    model = released.build(released.OURS, case, Path(), "cpu")
    assert isinstance(model, LSNTP)
    with torch.no_grad():
        model.graph.embedding.mul_(3)
    x, target = released.random_batch(case, "cpu")

    def gradients() -> dict[str, Tensor]:
        model.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), target)
        loss.backward()
        return {"loss": loss.detach()} | {
            n: torch.zeros_like(p) if p.grad is None else p.grad.clone()
            for n, p in model.named_parameters()
        }

    expected = gradients()
    for name, patches in script.levers().items():
        before = [owner.__dict__[attribute] for owner, attribute, _ in patches]
        with script.without(patches):
            assert all(o.__dict__[a] is not b for (o, a, _), b in zip(patches, before, strict=True))
            found = gradients()
        assert [o.__dict__[a] for o, a, _ in patches] == before
        for key, value in expected.items():
            torch.testing.assert_close(
                found[key], value, rtol=1e-4, atol=1e-6, msg=f"{name}: {key}"
            )


def test_levers_are_measured(light: None) -> None:
    script = levers()
    record = script.run({"tiny, 1 thread": Case(6, 7, 4, 8, batch=2)}, 1, 0.0)
    ratios = store.ratios(record)
    assert list(ratios.index) == list(script.levers())
    assert (ratios > 0).all(axis=None)


# ---- records


@pytest.fixture
def record() -> store.Record:
    rows = [{"nodes": n, "seconds": [0.1, 0.3, 0.2]} for n in (1, 2)]
    return store.new("scale", "cpu", 2, {"torch.mm": 1.5}, {"embedding": 64}, rows)


def test_record_round_trip(record: store.Record, tmp_path: Path) -> None:
    path = store.save(record, tmp_path / "bench")
    assert store.load(path.stem, path.parent) == record
    assert [p.name for p in path.parent.iterdir()] == [f"{record.name}.json"]
    assert record.name.startswith("scale-") and record.name.endswith("-2threads")
    assert record.machine["processor"] and record.machine["memory_gib"] > 0
    assert list(store.frame(record)["median_s"]) == [0.2, 0.2]


def test_a_record_that_is_not_whole_is_told(record: store.Record, tmp_path: Path) -> None:
    path = store.save(record, tmp_path)
    with pytest.raises(RecordError, match=f'no measurement "other" .* holds: {path.stem}'):
        store.load("other", tmp_path)
    whole = path.read_text()
    for text, reason in (
        (whole[: len(whole) // 2], ""),
        (json.dumps(json.loads(whole) | {"rows": []}), "checksum"),
        (json.dumps({k: v for k, v in json.loads(whole).items() if k != "sha256"}), "sha256"),
    ):
        path.write_text(text)
        with pytest.raises(RecordError, match=f"not a readable record .*{reason}"):
            store.load(path.stem, tmp_path)
    write_json(record.model_dump(mode="json") | {"rows": []}, path)
    with pytest.raises(RecordError, match="rows: .*at least 1 item"):
        store.load(path.stem, tmp_path)
    path.write_text(whole)
    renamed = path.rename(tmp_path / "renamed.json")
    with pytest.raises(RecordError, match=f"holds {record.name}.* name it {path.name}"):
        store.load(renamed.stem, tmp_path)


def test_the_page_tells_which_records_there_are(tmp_path: Path) -> None:
    page = ROOT / "notebooks" / "13_speed_and_scale.ipynb"
    with pytest.raises(papermill.PapermillExecutionError, match="no measurement .*abacus"):
        papermill.execute_notebook(
            page, tmp_path / "out.ipynb", {"machine": "abacus"}, cwd=tmp_path, progress_bar=False
        )
