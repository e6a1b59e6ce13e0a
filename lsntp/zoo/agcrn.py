"""AGCRN (Bai et al. 2020, NeurIPS): recurrent layers whose weights differ from node to node.

N nodes, here the cells of the inner grid; E (N, d) their embedding; C channels in, F hidden.
"""

import torch
from torch import Tensor, nn

from lsntp.data.checks import Count, Odd, Whole, checked
from lsntp.model.forecaster import GridForecaster, inner_grid
from lsntp.model.graph import AdaptiveGraph
from lsntp.model.product import Adjacency

EMBEDDING = 10
"""d, the size of a node's embedding, as published for PEMSD4."""


class NodeAdaptiveGRU(nn.Module):
    """A gated recurrent unit whose products are graph convolutions with weights per node.

    With ``A = softmax(relu(E Eᵀ))`` (DAGG), ``G[X] = X W₀ + A X W₁ + b`` and weights from a pool
    by the node's embedding, ``W = E·W_pool``, ``b = E·b_pool`` (NAPL):
    ``z = σ(G_z[X, H])``, ``r = σ(G_r[X, H])``, ``Ĥ = tanh(G_h[X, r∘H])``, ``H = z∘H + (1 − z)∘Ĥ``.

    The paper prints ``(I + A) [X, H] W``, one weight for both I and A. The authors' code gives
    each its own (``cheb_k = 2``), and only so are there as many parameters as published: 748,810
    and 150,112. That form is taken here.

    Parameters
    ----------
    channels, hidden : int
        C, F.
    size : int
        d.
    """

    @checked
    def __init__(self, channels: Count, hidden: Count, size: Count) -> None:
        super().__init__()
        self.channels, self.hidden = channels, hidden
        # of I and A; of X and H; to z, r and Ĥ
        self.weight_pool = nn.Parameter(torch.empty(size, 2, channels + hidden, 3 * hidden))
        self.bias_pool = nn.Parameter(torch.empty(size, 3 * hidden))
        for pool in (self.weight_pool, self.bias_pool):  # started as in the authors' code
            for part in pool.data.split([2 * hidden, hidden], dim=-1):
                nn.init.xavier_uniform_(part)

    def forward(self, x: Tensor, embedding: Tensor, adjacency: Adjacency) -> Tensor:
        """Run over a sequence from a state of zeros.

        Parameters
        ----------
        x : Tensor (N, T, B, C)
        embedding : Tensor (N, d)
        adjacency : (N, N), of this embedding, for products ``adjacency @ x``

        Returns
        -------
        all H (N, T, B, F)
        """
        nodes, steps, batch, _ = x.shape
        weight = torch.tensordot(embedding, self.weight_pool, 1)  # (N, 2, C + F, 3F)
        bias = (embedding @ self.bias_pool).unsqueeze(1)  # (N, 1, 3F)
        of_x, of_h = weight.split([self.channels, self.hidden], dim=2)
        of_x, of_h = of_x.flatten(1, 2), of_h.flatten(1, 2)  # (N, 2C, 3F), (N, 2F, 3F)
        gates_of, candidate_of = of_h.split([2 * self.hidden, self.hidden], dim=2)

        def both(x: Tensor) -> Tensor:
            """[X, A X] of ``x`` (N, M, C): (N, M, 2C)."""
            return torch.cat([x, (adjacency @ x.flatten(1)).view_as(x)], dim=2)

        ahead = torch.baddbmm(bias, both(x.flatten(1, 2)), of_x)  # X's part for all steps at once
        gates, candidates = (
            part.unflatten(1, (steps, batch)).unbind(dim=1)
            for part in ahead.split([2 * self.hidden, self.hidden], dim=2)
        )
        h = x.new_zeros(nodes, batch, self.hidden)
        outputs = []
        for gate, candidate in zip(gates, candidates, strict=True):
            z, r = torch.baddbmm(gate, both(h), gates_of).sigmoid().chunk(2, dim=2)
            new = torch.baddbmm(candidate, both(r * h), candidate_of).tanh()
            h = torch.lerp(new, h, z)  # z∘H + (1 − z)∘Ĥ
            outputs.append(h)
        return torch.stack(outputs, dim=1)


class AGCRN(GridForecaster):
    """Two :class:`NodeAdaptiveGRU` layers; their last state is mapped to all leads at once.

    Adaptive Graph Convolutional Recurrent Network. The nodes are
    the cells of the inner grid. The last map gives F channels a lead, for the head that all
    networks share, in place of one value.

    Parameters
    ----------
    height, width, hidden, downsample, lead_steps
        As of :class:`~lsntp.model.forecaster.Forecaster`.
    embedding, kernel
        Not used: d is as published (:data:`EMBEDDING`), and there is no convolution over the grid.
    """

    graph: AdaptiveGraph

    @checked
    def __init__(
        self,
        height: Count,
        width: Count,
        hidden: Count,
        embedding: Whole,
        kernel: Odd = 3,
        downsample: bool = False,
        lead_steps: Count = 6,
    ) -> None:
        rows, columns = inner_grid(height, width, downsample)
        graph = AdaptiveGraph(rows * columns, EMBEDDING)
        super().__init__(height, width, downsample, lead_steps, graph)
        self.layers = nn.ModuleList(
            NodeAdaptiveGRU(channels, hidden, EMBEDDING) for channels in (1, hidden)
        )
        self.leads = nn.Linear(hidden, lead_steps * hidden)
        self.head = self.make_head(hidden)

    def features(self, x: Tensor) -> Tensor:
        """The last layer's last H, mapped to each lead, (B, L, F, h, w)."""
        adjacency = self.graph.adjacency()
        x = x.flatten(3).permute(3, 1, 0, 2)  # (B, T, 1, h, w) -> (N, T, B, 1)
        for layer in self.layers:
            x = layer(x, self.graph.embedding, adjacency)
        x = self.leads(x[:, -1]).unflatten(2, (self.lead_steps, -1))  # (N, B, L, F)
        return x.permute(1, 2, 3, 0).unflatten(3, self.inner)
