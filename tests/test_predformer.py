"""PredFormer against its equations worked another way."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lsntp.zoo import predformer
from lsntp.zoo.predformer import GatedBlock, PredFormer, StochasticDepth


def drawn_wide(module: nn.Module) -> None:
    """In float64, with weights so large that no term is lost in the others; not in training."""
    for parameter in module.double().parameters():
        nn.init.normal_(parameter, std=0.4)
    module.eval()


def block_by_loops(block: GatedBlock, x: np.ndarray) -> np.ndarray:
    """One sequence (N, D), token by token and head by head."""

    def weights(layer: nn.Module) -> list[np.ndarray]:
        return [p.detach().numpy() for p in layer.parameters()]

    def normed(x: np.ndarray, layer: nn.Module) -> np.ndarray:
        scale, shift = weights(layer)
        spread = np.sqrt(x.var(1, keepdims=True) + 1e-5)
        return (x - x.mean(1, keepdims=True)) / spread * scale + shift

    norm, attention, *_ = block.attention
    (enter,), (leave, bias) = weights(attention.enter), weights(attention.leave)
    tokens, channels = x.shape
    width = channels // attention.heads
    query, key, value = np.split(normed(x, norm) @ enter.T, 3, axis=1)
    heads = np.zeros_like(x)
    for h in range(attention.heads):
        own = slice(h * width, (h + 1) * width)
        for i in range(tokens):
            weight = np.exp([query[i, own] @ key[j, own] / width**0.5 for j in range(tokens)])
            heads[i, own] = sum(
                w * v for w, v in zip(weight / weight.sum(), value[:, own], strict=True)
            )
    x = x + heads @ leave.T + bias
    norm, mlp, *_ = block.mlp
    (w1, b1), (w2, b2), (w3, b3) = (weights(part) for part in (mlp.gate, mlp.value, mlp.leave))
    y = normed(x, norm)
    gate = y @ w1.T + b1
    return x + (gate / (1 + np.exp(-gate)) * (y @ w2.T + b2)) @ w3.T + b3


@pytest.mark.parametrize(("channels", "heads"), [(64, 2), (24, 1)])
def test_a_block_by_loops(channels: int, heads: int) -> None:
    torch.manual_seed(0)
    block = GatedBlock(channels)
    drawn_wide(block)
    assert block.attention[1].heads == heads
    x = torch.randn(2, 5, channels, dtype=torch.float64)
    with torch.no_grad():
        for sequence, result in zip(x.numpy(), block(x).numpy(), strict=True):
            np.testing.assert_allclose(result, block_by_loops(block, sequence), rtol=1e-9)


@pytest.mark.parametrize(("steps", "leads"), [(3, 3), (4, 2)])
@pytest.mark.parametrize("downsample", [True, False])
def test_tokens_and_patches_by_hand(steps: int, leads: int, downsample: bool) -> None:
    torch.manual_seed(1)
    height, width, p = 5, 4, 2 if downsample else 1
    model = PredFormer(height, width, 8, 0, 3, downsample, leads, steps)
    drawn_wide(model)
    x = torch.randn(2, steps, 1, height, width, dtype=torch.float64)
    rows, columns = -(-height // p), width // p
    weight, bias = model.enter.weight.flatten(1), model.enter.bias
    with torch.no_grad():
        tokens = torch.zeros(2, steps, rows * columns, 32, dtype=torch.float64)
        for t in range(steps):
            for i in range(rows):
                for j in range(columns):
                    patch = torch.stack(
                        [
                            x[:, t, 0, min(p * i + a, height - 1), p * j + b]
                            for a in range(p)
                            for b in range(p)
                        ],
                        dim=1,
                    )
                    n = i * columns + j
                    place = torch.tensor(
                        [
                            f((t * rows * columns + n) / 10000 ** (k / 32))
                            for k in range(0, 32, 2)
                            for f in (np.sin, np.cos)
                        ]
                    )
                    tokens[:, t, n] = patch @ weight.T + bias + place
        for n in range(rows * columns):
            tokens[:, :, n] = model.over_time(tokens[:, :, n])
        for t in range(steps):
            tokens[:, t] = model.over_space(tokens[:, t])
        tokens = model.norm(tokens)
        if steps != leads:
            mixed = [
                sum(w * tokens[:, t] for t, w in enumerate(row)) + b
                for row, b in zip(model.leads.weight, model.leads.bias, strict=True)
            ]
            tokens = torch.stack(mixed, dim=1)
        expected = torch.zeros(2, leads, 1, p * rows, width, dtype=torch.float64)
        for i in range(rows):
            for j in range(columns):
                patch = torch.einsum(
                    "bld,dpq->blpq", tokens[:, :, i * columns + j], model.head.weight[:, 0]
                )
                expected[:, :, 0, p * i : p * i + p, p * j : p * j + p] = patch + model.head.bias
        result: Tensor = model(x)
    torch.testing.assert_close(result, expected[..., :height, :], rtol=1e-6, atol=1e-6)


def test_as_many_parameters_as_published(monkeypatch: pytest.MonkeyPatch) -> None:
    """5.3 M of 256 channels and four blocks each; a block has so many by its equations."""
    monkeypatch.setattr(predformer, "BLOCKS", 4)
    model = PredFormer(32, 64, 64, 0, downsample=True, lead_steps=12)
    d, inside = 256, 512
    block = 3 * d * d + d * d + d + 2 * (d * inside + inside) + inside * d + d + 4 * d
    ends = (4 * d + d) + (4 * d + 1) + 3 * 2 * d
    assert sum(p.numel() for p in model.parameters()) == 8 * block + ends
    assert round((8 * block + ends) / 1e6, 1) == 5.3


def test_stochastic_depth_leaves_out_whole_sequences_and_keeps_the_mean() -> None:
    torch.manual_seed(2)
    depth = StochasticDepth(0.25)
    branch = torch.ones(40_000, 2, 3)
    out = depth(branch)
    assert out.unique().tolist() == pytest.approx([0, 4 / 3])
    assert (out == out[:, :1, :1]).all()
    assert float(out[:, 0, 0].mean()) == pytest.approx(1, abs=0.02)
    assert depth.eval()(branch) is branch


def test_dropout_is_in_training_alone() -> None:
    torch.manual_seed(3)
    model = PredFormer(6, 6, 8, 0, lead_steps=2)
    x = torch.randn(1, 2, 1, 6, 6)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))
    dropped = [m.p for m in model.modules() if isinstance(m, nn.Dropout)]
    assert dropped == [0.1] * (3 * 2 * predformer.BLOCKS)


def test_it_tells_what_it_cannot_do() -> None:
    with pytest.raises(ValueError, match="has 5 frames, expected 6.* input_steps=5"):
        PredFormer(6, 6, 8, 0)(torch.zeros(1, 5, 1, 6, 6))
