"""Feature maps and an autoencoder on real photographs (explained in ``notebooks/01_background``).

The photographs are part of the scikit-image package itself, so nothing is downloaded.
Where a tensor's shape is written: B batch, C channels, H rows, W columns, P patches.
"""

from __future__ import annotations

import importlib.resources

import numpy as np
import skimage.io
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lsntp.chapters.background import im2row

CAT_CORNER = 22, 100  # row and column where the crop of the cat's face begins
MID_GREY = 0.5  # subtracted before the network and added after it


def photograph(file: str) -> Tensor:
    """Read one of the photographs inside the installed scikit-image package; never downloads.

    Parameters
    ----------
    file : str
        Such as ``"chelsea.png"``.

    Returns
    -------
    image : Tensor of shape (H, W, 3), red, green, blue, float32 in [0, 1].

    Raises
    ------
    FileNotFoundError
        If this release of scikit-image does not ship the file.
    """
    path = importlib.resources.files("skimage") / "data" / file
    if not path.is_file():
        raise FileNotFoundError(
            f"the installed scikit-image does not ship {file!r}; "
            "install the release named in constraints.txt"
        )
    with importlib.resources.as_file(path) as local:
        return torch.from_numpy(skimage.io.imread(local).astype(np.float32) / 255)


def cat(size: int = 256) -> Tensor:
    """Load the cat Chelsea, cropped around her face.

    Parameters
    ----------
    size : int
        Rows and columns of the crop, at most 278, pixels.

    Returns
    -------
    image : Tensor of shape (size, size, 3), red, green, blue, each in [0, 1].

    Raises
    ------
    ValueError
        If the crop is larger than the photograph.
    """
    whole = photograph("chelsea.png")
    row, column = CAT_CORNER
    largest = min(whole.shape[0] - row, whole.shape[1] - column)
    if not 1 <= size <= largest:
        raise ValueError(f"size={size}: expected 1 to {largest} pixels, the photograph's extent")
    return whole[row : row + size, column : column + size]


def training_photographs() -> list[Tensor]:
    """Load an astronaut, coffee, a rocket and a motorcycle, each (H, W, 3) in [0, 1]."""
    files = "astronaut.png", "coffee.png", "rocket.jpg", "motorcycle_left.png"
    return [photograph(file) for file in files]


def patches(image: Tensor, size: int, stride: int | None = None) -> Tensor:
    """Cut an image into square patches; each is one row of :func:`~.im2row`.

    Parameters
    ----------
    image : Tensor of shape (H, W, C).
    size : int
        Rows and columns of a patch, pixels.
    stride : int, optional
        Step between patches, pixels; by default ``size``, so that they do not overlap.

    Returns
    -------
    patches : Tensor of shape (P, C, size, size).
    """
    rows = im2row(image.permute(2, 0, 1)[None], size, stride or size)[0]
    return rows.unflatten(1, (-1, size, size))


class Autoencoder(nn.Module):
    """Three halving convolutions down to the code, three doubling ones back up.

    ``z = encoder(x - ½)``, ``x̂ = decoder(z) + ½``. An image (B, 3, H, W) has the
    code (B, code, H/8, W/8); H and W must be multiples of 8.

    Parameters
    ----------
    code : int
        Channels of the code.
    width : int
        Channels of the first layer; the second has twice as many.
    """

    def __init__(self, code: int = 4, width: int = 16) -> None:
        super().__init__()
        # Each with kernel 4, stride 2, padding 1: halves, or doubles, rows and columns.
        self.encoder = nn.Sequential(
            nn.Conv2d(3, width, 4, 2, 1),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 4, 2, 1),
            nn.ReLU(),
            nn.Conv2d(2 * width, code, 4, 2, 1),
        )
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(code, 2 * width, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 4, 2, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(width, 3, 4, 2, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Encode and decode ``x`` (B, 3, H, W)."""
        if x.shape[-2] % 8 or x.shape[-1] % 8:
            raise ValueError(f"image of {tuple(x.shape[-2:])}: rows and columns must divide by 8")
        return self.decoder(self.encoder(x - MID_GREY)) + MID_GREY


def train_autoencoder(
    train: Tensor, epochs: int, seed: int = 0, code: int = 4, batch: int = 64, peak: float = 1e-2
) -> tuple[Autoencoder, list[float]]:
    """Fit an :class:`Autoencoder` to patches: mean squared error, Adam, one-cycle learning rate.

    Parameters
    ----------
    train : Tensor of shape (P, 3, size, size), in [0, 1].
    epochs : int
        Passes over ``train``.
    seed : int
        Of the weights and of the order of the patches.
    code, batch : int
        Channels of the code; patches a step.
    peak : float
        Largest learning rate.

    Returns
    -------
    model, losses
        The trained network and the mean loss of each epoch.
    """
    torch.manual_seed(seed)
    model = Autoencoder(code).to(train)
    steps = -(-len(train) // batch)
    optimiser = torch.optim.Adam(model.parameters(), lr=peak)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, peak, epochs * steps)
    losses = []
    for _ in range(epochs):
        total = 0.0
        for chosen in torch.randperm(len(train)).split(batch):
            loss = F.mse_loss(model(train[chosen]), train[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * len(chosen)
        losses.append(total / len(train))
    return model.eval(), losses


def pca_reconstruction(train: Tensor, other: Tensor, components: int) -> Tensor:
    """Rebuild patches from their leading principal components, found on ``train`` by an SVD.

    Parameters
    ----------
    train, other : Tensors of shape (P, C, size, size).
    components : int
        Numbers kept a patch; 0 gives the mean patch.

    Returns
    -------
    rebuilt : Tensor of the shape of ``other``: ``m + (x - m) V Vᵀ``.
    """
    mean = train.flatten(1).mean(dim=0)
    _, _, v = torch.linalg.svd(train.flatten(1) - mean, full_matrices=False)
    v = v[:components].T
    return (mean + (other.flatten(1) - mean) @ v @ v.T).reshape(other.shape)


def assemble(cut: Tensor, columns: int) -> Tensor:
    """Put patches that do not overlap together again; undoes :func:`patches`.

    Parameters
    ----------
    cut : Tensor of shape (P, C, size, size), row by row.
    columns : int
        Patches side by side.

    Returns
    -------
    image : Tensor of shape (H, W, C).
    """
    grid = cut.unflatten(0, (-1, columns))  # (rows, columns, C, size, size)
    return grid.permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)


@torch.no_grad()
def feature_maps(model: Autoencoder, image: Tensor) -> list[Tensor]:
    """Show what each convolution of the encoder makes of one image.

    Parameters
    ----------
    model : Autoencoder
    image : Tensor of shape (H, W, 3), in [0, 1].

    Returns
    -------
    maps : list of Tensors (C', H', W'), one a convolution, before its activation.
    """
    maps, x = [], image.permute(2, 0, 1)[None] - MID_GREY
    for layer in model.encoder:
        x = layer(x)
        if isinstance(layer, nn.Conv2d):
            maps.append(x[0])
    return maps
