"""What decides a run: model, recipe, size, seed, and what else is varied."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from lsntp import zoo
from lsntp.datasets import REAL
from lsntp.training import NAME, RECIPES, Recipe


class Preset(BaseModel):
    """How large a network is and how long it trains."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME, max_length=40, description="part of the record's file name")
    hidden: int = Field(ge=1, description="hidden channels F of each layer")
    embedding: int = Field(ge=1, description="size E of a node's embedding")
    kernel: int = Field(ge=1, description="rows and columns of the operator's kernel, odd")
    downsample: bool = Field(description="halve the grid inside the network")
    epochs: int = Field(ge=1, description="passes over the training windows")
    batch_size: int = Field(ge=1, description="windows a gradient step")

    @field_validator("kernel")
    @classmethod
    def _odd(cls, kernel: int) -> int:
        if kernel % 2 == 0:
            raise ValueError(f"kernel={kernel}: expected an odd number (1, 3, 5, …)")
        return kernel


PRESETS = {
    "smoke": Preset(
        name="smoke",
        hidden=4,
        embedding=8,
        kernel=3,
        downsample=True,
        epochs=1,
        batch_size=32,
    ),
    "laptop": Preset(
        name="laptop",
        hidden=16,
        embedding=64,
        kernel=3,
        downsample=True,
        epochs=12,
        batch_size=8,
    ),
    "tuned": Preset(  # of LS-NTP (tuned)
        name="tuned",
        hidden=32,
        embedding=32,
        kernel=3,
        downsample=False,
        epochs=12,
        batch_size=16,
    ),
    "paper": Preset(  # the released configuration for NCEP, 21×35
        name="paper",
        hidden=256,
        embedding=512,
        kernel=3,
        downsample=False,
        epochs=70,
        batch_size=8,
    ),
    "paper-era5": Preset(  # and for ERA5, 77×125
        name="paper-era5",
        hidden=128,
        embedding=512,
        kernel=3,
        downsample=True,
        epochs=70,
        batch_size=8,
    ),
}
"""The sizes, by name; ``paper`` and ``paper-era5`` are the released configurations."""


def named(field: str, value: Any, table: Mapping[str, BaseModel]) -> Any:
    """Return the table's entry of that name; anything but a name as it is."""
    if isinstance(value, str) and value not in table:
        raise ValueError(f'{field}="{value}": expected one of {", ".join(table)}')
    return table[value] if isinstance(value, str) else value


class RunConfig(BaseModel):
    """All that decides a run. Its :attr:`key` names the run's record.

    ``recipe`` and ``preset`` are given by name or in full. References (persistence, climatology,
    ridge) have neither, and no seed: theirs are set to None and 0, so that each has one record.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str = Field(description="a name lsntp.open_dataset knows, or a file's path")
    model: str = Field(description="a name of lsntp.zoo")
    recipe: Recipe | None = Field(default=None, description='how it is trained; else "modern"')
    preset: Preset | None = Field(default=None, description='how large it is; else "laptop"')
    seed: int = Field(default=0, ge=0, description="first weights and order of the windows")
    input_steps: int = Field(default=6, ge=1, description="frames seen")
    lead_steps: int = Field(default=6, ge=1, description="frames forecast")
    rotation: int = Field(default=0, ge=0, description="lengths the test period is moved back by")
    parts: dict[str, bool] = Field(
        default={}, description="of LS-NTP, those unlike its form: lsntp.forecaster.EQUATIONS"
    )
    cut_km: float | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="no longer links, from the start"
    )
    test_cuts_km: tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...] = Field(
        default=(), description="no longer links, in the trained network: scored at each, too"
    )
    cases: bool = Field(default=False, description="keep three forecasts: see the record's cases")

    @model_validator(mode="before")
    @classmethod
    def _resolve_names(cls, values: dict[str, Any]) -> dict[str, Any]:
        values = dict(values)
        known = (*zoo.REFERENCES, *zoo.NETWORKS)
        if values.get("model") not in known:
            raise ValueError(f'model="{values.get("model")}": expected one of {", ".join(known)}')
        form = zoo.FORMS.get(values["model"], {})
        for name in values.get("parts", {}):
            if name not in form:
                raise ValueError(
                    f'parts: "{name}" of {values["model"]}: expected one of '
                    f"{', '.join(form) or 'none, this model has none to change'}"
                )
        values["parts"] = {k: v for k, v in values.get("parts", {}).items() if v != form[k]}
        linked = form.get("lagc", False) and values["parts"].get("lagc", True)
        cuts = values.get("cut_km") is not None or bool(values.get("test_cuts_km"))
        if cuts and not linked:
            raise ValueError(f"a cut of {values['model']}'s graph: it has none; leave the cut out")
        if values["model"] in zoo.REFERENCES:
            return values | {"recipe": None, "preset": None, "seed": 0}
        values["recipe"] = named("recipe", values.get("recipe") or "modern", RECIPES)
        values["preset"] = named("preset", values.get("preset") or "laptop", PRESETS)
        return values

    @property
    def key(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the canonical JSON.

        A field at its default is left out, so that a field added later changes no key.
        """
        canonical = json.dumps(self.model_dump(mode="json", exclude_defaults=True), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def title(self) -> str:
        """A readable name, for file names and progress."""
        parts = [Path(self.dataset).stem, self.model]
        if self.recipe and self.preset:
            parts += [self.recipe.name, self.preset.name, f"seed{self.seed}"]
        return "-".join(filter(None, [*parts, self.variant]))

    @property
    def variant(self) -> str:
        """What sets it apart, beside its seed, from a run of the main table; "" if it is one."""
        said = [name if kept else f"no-{name}" for name, kept in self.parts.items()]
        if (self.input_steps, self.lead_steps) != (6, 6):
            said.append(f"{self.input_steps}to{self.lead_steps}")
        if self.preset and self.preset.kernel != PRESETS.get(self.preset.name, self.preset).kernel:
            said.append(f"kernel{self.preset.kernel}")
        if self.rotation:
            said.append(f"rotation{self.rotation}")
        if self.cut_km is not None:
            said.append(f"cut{self.cut_km:.0f}km")
        if self.test_cuts_km:
            said.append("cuts")
        if self.cases:
            said.append("cases")
        return "-".join(said)

    @property
    def whole(self) -> bool:
        """Whether its record keeps maps, case and graph, too.

        On the real sets, of which many records are committed, only those of the main table do: a
        :attr:`variant` keeps its scores.
        """
        named = (self.recipe, self.preset) == (None, None) or (
            self.recipe in RECIPES.values() and self.preset in PRESETS.values()
        )
        return self.dataset not in REAL or (named and not self.variant)
