"""The encoder–decoder: parity with the released code, shapes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from lsntp import LSNTP
from lsntp.model.checkpoints import our_name
from lsntp.zoo import MODELS, NETWORKS
from lsntp.zoo.tuned import Block

PARITY = Path(__file__).parent / "parity"
FORMS = {
    "ncep": {"height": 6, "width": 7},
    "era5": {"height": 9, "width": 13, "downsample": True},
}


def fixture(form: str) -> tuple[LSNTP, dict[str, Tensor]]:
    """The model with the fixture's weights, and the fixture's tensors."""
    with np.load(PARITY / f"released_{form}_form.npz") as file:
        tensors = {k: torch.from_numpy(file[k]) for k in file.files if k != "config"}
    state = {k.removeprefix("state/"): v for k, v in tensors.items() if k.startswith("state/")}
    model = LSNTP.released(hidden=4, embedding=8, **FORMS[form])
    return model.load_released(state), tensors


@pytest.mark.parametrize("form", FORMS)
def test_output_and_gradients_are_the_released_codes(form: str) -> None:
    model, tensors = fixture(form)
    output = model(tensors["input"])
    loss = torch.nn.functional.mse_loss(output, tensors["target"])
    loss.backward()
    torch.testing.assert_close(output, tensors["output"], rtol=0, atol=1e-5)
    assert loss.item() == pytest.approx(tensors["loss"].item(), rel=1e-6)
    parameters = dict(model.named_parameters())
    gradients = {k.removeprefix("grad/"): v for k, v in tensors.items() if k.startswith("grad/")}
    assert {our_name(name) for name in gradients} == set(parameters)
    for name, expected in gradients.items():
        difference = (parameters[our_name(name)].grad - expected).norm()
        assert difference <= 1e-4 * expected.norm(), name


@pytest.mark.parametrize("form", FORMS)
def test_three_adam_steps_are_the_released_codes(form: str) -> None:
    model, tensors = fixture(form)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(tensors["input"]), tensors["target"]).backward()
        optimizer.step()
    expected = tensors["output_after_3_adam_steps"]
    torch.testing.assert_close(model(tensors["input"]), expected, rtol=0, atol=1e-4)


def test_parameter_counts_of_the_released_configurations() -> None:
    era5 = LSNTP.released(height=77, width=125, hidden=128, embedding=512, downsample=True)
    ncep = LSNTP.released(height=21, width=35, hidden=256, embedding=512)
    counts = [sum(p.numel() for p in m.parameters()) / 1e6 for m in (era5, ncep)]
    assert [f"{count:.2f}" for count in counts] == ["5.99", "19.48"]
    with torch.no_grad():
        assert era5(torch.zeros(1, 6, 1, 77, 125)).shape == (1, 6, 1, 77, 125)


def released_state(model: LSNTP, form: str) -> dict[str, Tensor]:
    with np.load(PARITY / f"released_{form}_form.npz") as file:
        return {
            k.removeprefix("state/"): torch.from_numpy(file[k])
            for k in file.files
            if k.startswith("state/")
        }


def test_checkpoint_of_another_grid_or_form() -> None:
    model, _ = fixture("ncep")
    state = released_state(model, "ncep")
    with pytest.raises(ValueError, match="trained on another grid"):
        LSNTP.released(7, 7, 4, 8).load_released(state)
    with pytest.raises(ValueError, match="missing.*shrink"):
        LSNTP.released(6, 7, 4, 8, downsample=True).load_released(state)
    with pytest.raises(ValueError, match="unknown"):
        LSNTP.released(6, 7, 4, 8).load_released({**state, "extra": torch.zeros(1)})


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("downsample", [True, False])
@pytest.mark.parametrize("grid", [(8, 9), (7, 10), (7, 7)])
def test_any_grid_and_any_number_of_leads(
    name: str, downsample: bool, grid: tuple[int, int]
) -> None:
    frames = {"input_steps": 5} if MODELS[name].kind == "stacked" else {}
    model = MODELS[name].build(
        *grid, hidden=2, embedding=3, downsample=downsample, lead_steps=4, **frames
    )
    assert model(torch.randn(2, 5, 1, *grid)).shape == (2, 4, 1, *grid)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_weight_gets_a_gradient(name: str) -> None:
    """Nothing is left out; but an attention on the decoder's zero input has nothing to weigh."""
    torch.manual_seed(0)
    hidden = 4 if name == "simvp" else 3
    model = MODELS[name].build(8, 9, hidden=hidden, embedding=4, downsample=False)
    for module in model.modules():
        if isinstance(module, Block):  # starts as if it were not there
            torch.nn.init.normal_(module.leave.weight)
    model(torch.randn(2, 6, 1, 8, 9)).square().sum().backward()
    apart = name in ("lsntp-equations", "lsntp-untied")  # an attention for X, and one for H
    idle = "decoder.0.cell.operator.nsa.0." if apart else "none"
    for parameter_name, parameter in model.named_parameters():
        if parameter_name.startswith(idle):
            continue
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, parameter_name


def test_adjacency() -> None:
    adjacency = LSNTP.released(21, 35, hidden=2, embedding=8).adjacency()
    assert adjacency.shape == (735, 735)
    torch.testing.assert_close(adjacency.sum(1), torch.ones(735))
    with pytest.raises(ValueError, match="no graph"):
        MODELS["convlstm"].build(8, 9, hidden=2, embedding=1).adjacency()


def test_wrong_grid_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected input \(B, T, 1, 6, 7\)"):
        LSNTP.equations(6, 7, 4, 8)(torch.zeros(1, 6, 1, 7, 6))
