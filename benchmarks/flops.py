"""How many floating-point operations LS-NTP needs, and how many the released code spends.

A multiplication and an addition are two operations. Counted are matrix products and convolutions;
what is done element by element (gates, GroupNorm, softmax) is left out, as it is a hundredth.
The backward pass of a product is two products of the same size, one for the gradient of each
factor, so that a training step counts three times its forward pass.

N nodes, E embedding size, B batch, F hidden channels, k kernel size, T input and L lead steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lsntp.model.forecaster import inner_grid

PARTS = ("adjacency", "graph product", "LSI", "NSA", "ends")


@dataclass(frozen=True)
class Case:
    """A configuration: height × width cells, hidden F, embedding E."""

    height: int
    width: int
    hidden: int
    embedding: int
    downsample: bool = False
    batch: int = 8
    input_steps: int = 6
    lead_steps: int = 6
    kernel: int = 3

    @property
    def nodes(self) -> int:
        """N, the cells of the inner grid."""
        rows, columns = inner_grid(self.height, self.width, self.downsample)
        return rows * columns

    def calls(self) -> Iterator[tuple[int, int, int]]:
        """Channels of each cell call: (input, input not known to be zero, the same of hidden)."""
        f = self.hidden
        for channels in (1, f):  # the encoder's two layers start from a hidden state of zeros
            for step in range(self.input_steps):
                yield channels, channels, f if step else 0
        for fed in (0, f):  # the decoder's first layer is fed zeros
            for _ in range(self.lead_steps):
                yield f, fed, f


def fewest(case: Case, form: str) -> dict[str, float]:
    """Count the fewest operations of a forward pass, by part.

    The adjacency once, and, as ``E Eᵀ`` is symmetric, half of it: N² E. (Its gradient,
    ``(G + Gᵀ) E``, is 2 N² E, so that here, too, a step is three forward passes.) Nothing for
    channels known to be zero: the hidden state of the encoder's first steps, what the decoder's
    first layer is fed. Of a channel that is not zero:

    - graph product 2 N² B,
    - LSI 2 N B k² · 4F,
    - NSA, released form, one attention over all C channels of which a are not zero:
      2 N B (a C + C² + C a), as the zero ones still pass through the 1×1 convolutions' biases,
    - NSA, equations form, input and hidden state apart: 2 N B · 3 C² of each.

    The gradient with respect to the data, which nobody needs, is less than a thousandth and is
    kept in the count. Algorithms that multiply matrices with fewer operations than the definition
    (Strassen, Winograd) are not considered, nor are products with the zero padding left out.

    Parameters
    ----------
    case : Case
    form : str
        ``released`` or ``equations``.

    Returns
    -------
    dict
        Operations by part, `PARTS`; "ends" are the strided convolution and the last one.
    """
    if form not in ("released", "equations"):
        raise ValueError(f'form="{form}": expected released or equations')
    n, b, f = case.nodes, case.batch, case.hidden
    count = dict.fromkeys(PARTS, 0.0)
    count["adjacency"] = n**2 * case.embedding
    count["ends"] = _ends(case)
    for channels, x, h in case.calls():
        whole, active = channels + f, x + h
        count["graph product"] += 2 * n**2 * b * active
        count["LSI"] += 2 * n * b * active * 4 * f * case.kernel**2
        if form == "released":
            count["NSA"] += 2 * n * b * (active * whole + whole**2 + whole * active)
        else:
            count["NSA"] += 2 * n * b * 3 * (x**2 + h**2)
    return count


def released_code(case: Case) -> tuple[dict[str, float], float]:
    """Count what the released code spends: its adjacency in each call, zeros as all else.

    Returns
    -------
    forward : dict
        Operations of a forward pass by part.
    step : float
        Operations of forward and backward pass: three forward passes, less the gradients with
        respect to the data, which PyTorch knows are not asked for. Equal to what
        ``torch.utils.flop_counter.FlopCounterMode`` counts.
    """
    n, b, f = case.nodes, case.batch, case.hidden
    forward = dict.fromkeys(PARTS, 0.0)
    forward["ends"] = _ends(case)
    for channels, _, _ in case.calls():
        whole = channels + f
        forward["adjacency"] += 2 * n**2 * case.embedding
        forward["graph product"] += 2 * n**2 * b * whole
        forward["LSI"] += 2 * n * b * whole * 4 * f * case.kernel**2
        forward["NSA"] += 2 * n * b * 3 * whole**2
    unasked = _shrink(case) if case.downsample else 2 * n * b * (1 + f) ** 2
    return forward, 3 * sum(forward.values()) - unasked


def _shrink(case: Case) -> float:
    """Operations of the 3×3 convolution with stride 2, from one channel to one."""
    return 2 * case.nodes * case.batch * case.input_steps * 9


def _ends(case: Case) -> float:
    """Operations of the strided convolution, if any, and of the last one, F channels to one."""
    last = 2 * case.nodes * case.batch * case.lead_steps * case.hidden * 9
    return last + (_shrink(case) if case.downsample else 0)


def product_fewest(nodes: int, embedding: int, channels: int) -> tuple[float, float]:
    """Operations of ``softmax(relu(E Eᵀ)) X``, and of that with its backward pass.

    For an algorithm that holds no N×N matrix and uses that ``exp(relu(E Eᵀ))`` is symmetric.
    Forward, (E + 2M) N²: half of ``E Eᵀ``, and the product with X. Backward, (3E + 4M) N²: half of
    ``E Eᵀ`` again, the gradients with respect to X (2M) and to the weights (2M), and from the
    latter, made symmetric, that with respect to E (2E). Together (4E + 6M) N². Where a similarity
    exceeds `lsntp.model.product.SAFE`, E N² more to find the largest of each row.
    """
    e, m, square = embedding, channels, nodes**2
    return (e + 2 * m) * square, (4 * e + 6 * m) * square


def product_plain(nodes: int, embedding: int, channels: int) -> tuple[float, float]:
    """Operations of the same without using the symmetry, and holding the matrix.

    Forward 2 N² (E + M). Backward 2 N² (2M + 2E): two products for each of the two. A method that
    makes ``E Eᵀ`` again on the way back spends 2 N² E more.
    """
    e, m, square = embedding, channels, nodes**2
    return 2 * (e + m) * square, 2 * (3 * e + 3 * m) * square
