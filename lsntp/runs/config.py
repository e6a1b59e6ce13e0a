"""What decides a run: model, recipe, size, seed, and what else is varied."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from lsntp import zoo
from lsntp.data.catalogue import LINKED, OURS, PLANTED, REAL
from lsntp.data.checks import (
    Count,
    DataError,
    Kilometres,
    Odd,
    Seed,
    Whole,
    known,
    one_of,
    one_or_several,
)
from lsntp.data.sources import JOINED, located
from lsntp.runs.training import NAME, RECIPES, Recipe


class Preset(BaseModel):
    """How large a network is and how long it trains."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(pattern=NAME, max_length=40, description="part of the record's file name")
    hidden: Count = Field(description="hidden channels F of each layer")
    embedding: Count = Field(description="size E of a node's embedding")
    kernel: Odd = Field(description="rows and columns of the operator's kernel, odd")
    downsample: bool = Field(description="halve the grid inside the network")
    epochs: Count = Field(description="passes over the training windows")
    batch_size: Count = Field(description="windows a gradient step")


# fmt: off
_SIZES = (
    ("name",       "hidden", "embedding", "kernel", "downsample", "epochs", "batch_size"),
    ("smoke",              4,           8,        3,         True,        1,           32),
    ("laptop",            16,          64,        3,         True,       12,            8),
    ("tuned",             32,          32,        3,        False,       12,           16),
    ("paper",            256,         512,        3,        False,       70,            8),
    ("paper-era5",       128,         512,        3,         True,       70,            8),
)
# fmt: on
PRESETS = {
    row[0]: Preset.model_validate(dict(zip(_SIZES[0], row, strict=True))) for row in _SIZES[1:]
}
"""The sizes, by name; ``tuned`` is that of LS-NTP (tuned), ``paper`` and ``paper-era5`` are the
released configurations, for NCEP's 21×35 cells and ERA5's 77×125."""


PresetName = Annotated[str, one_of(PRESETS)]
RecipeName = Annotated[str, one_of(RECIPES)]
ModelName = Annotated[str, one_of(zoo.LABELS)]
# One name, or a list of some.
Models = Annotated[Sequence[ModelName], one_or_several, Field(min_length=1)]
Recipes = Annotated[Sequence[RecipeName], one_or_several, Field(min_length=1)]
# How many seeds: 0, 1, …
Seeds = Annotated[Count, Field(le=1000)]
# How many seeds an ensemble is the mean of.
Members = Annotated[Count, Field(ge=2)]


class RunConfig(BaseModel):
    """All that decides a run. Its :attr:`key` names the run's record.

    ``recipe`` and ``preset`` are given by name or in full. References (persistence, climatology,
    ridge) have neither, and no seed: theirs are set to None and 0, so that each has one record.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    dataset: str = Field(
        min_length=1,
        description="a name lsntp.open_dataset knows, or a path, several or a glob; kept as "
        "absolute paths, links followed",
    )
    model: ModelName = Field(description="a name of lsntp.zoo")
    recipe: Recipe | None = Field(
        default=None,
        strict=False,
        validate_default=True,
        description='how it is trained; else as the model\'s row says, mostly "modern"',
    )
    preset: Preset | None = Field(
        default=None,
        strict=False,
        validate_default=True,
        description='how large it is; else as the model\'s row says, mostly "laptop"',
    )
    seed: Seed = Field(default=0, description="first weights and order of the windows")
    input_steps: Count = Field(default=6, description="frames seen")
    lead_steps: Count = Field(default=6, description="frames forecast")
    rotation: Whole = Field(default=0, description="lengths the test period is moved back by")
    parts: dict[str, bool] = Field(
        default={}, description="those unlike the model's own: the parts in lsntp.zoo.MODELS"
    )
    cut_km: Kilometres | None = Field(default=None, description="no longer links, from the start")
    told: bool = Field(
        default=False,
        description="the graph is the planted truth, not learned; of ridge: it sees the sources",
    )
    test_cuts_km: tuple[Kilometres, ...] = Field(
        default=(),
        strict=False,
        description="no longer links, in the trained network: scored at each, too",
    )
    members: Count = Field(
        default=1, description="networks, of this seed and those that follow; forecast their mean"
    )
    cases: bool = Field(default=False, description="keep three forecasts: see the record's cases")

    @field_validator("dataset", mode="before")
    @classmethod
    def _one_name_each(cls, value: Any, info: ValidationInfo) -> Any:
        if hasattr(value, "dims"):
            raise ValueError("expected a name or a path; save the field by to_netcdf and name that")
        # what is stored is kept as it is: its key must not depend on what lies on the disk today
        if info.mode == "json" or value in OURS:
            return value
        try:
            return located(value).name
        except (DataError, TypeError):  # told when it is opened, or is no name at all
            return value

    @field_validator("recipe", "preset", mode="before")
    @classmethod
    def _by_name(cls, value: Any, info: ValidationInfo) -> Any:
        assert info.field_name is not None
        table: Mapping[str, Any] = RECIPES if info.field_name == "recipe" else PRESETS
        if value is None:  # the model's own; of one unknown, told already, that of most
            model = zoo.MODELS.get(info.data.get("model", ""), zoo.MODELS["convlstm"])
            value = getattr(model, info.field_name)
        return table[known(value, table)] if isinstance(value, str) else value

    @field_validator("recipe", "preset", "seed", "members")
    @classmethod
    def _references_have_none(cls, value: Any, info: ValidationInfo) -> Any:
        if info.data.get("model") in zoo.REFERENCES:
            return {"seed": 0, "members": 1}.get(str(info.field_name))
        return value

    @field_validator("parts")
    @classmethod
    def _parts_it_has(cls, parts: dict[str, bool], info: ValidationInfo) -> dict[str, bool]:
        if "model" not in info.data:  # which is told already
            return parts
        model = info.data["model"]
        form = zoo.MODELS[model].parts
        if unknown := sorted(parts.keys() - form.keys()):
            names = ", ".join(form) or "none, this model has none to change"
            raise ValueError(f"{', '.join(unknown)} of {model}: expected some of {names}")
        return {name: kept for name, kept in parts.items() if kept != form[name]}

    @model_validator(mode="after")
    def _cuts_need_a_graph(self) -> Self:
        if not self.linked and (self.cut_km is not None or self.test_cuts_km):
            raise ValueError(
                f"cut_km={self.cut_km}, test_cuts_km={self.test_cuts_km}: expected none, "
                f"{self.model} without a graph has no links to cut; leave them out"
            )
        return self

    @model_validator(mode="after")
    def _told_of_planted_links(self) -> Self:
        known = self.dataset in LINKED
        if self.told and not (known and (self.linked or self.model == "ridge")):
            raise ValueError(
                f"told=True, {self.model} on {self.dataset}: expected a network with a graph, or "
                f"ridge, on one of {', '.join(LINKED)}; leave it out"
            )
        return self

    @model_validator(mode="after")
    def _a_mean_has_no_graph(self) -> Self:
        if self.members > 1 and (self.test_cuts_km or self.told or self.dataset in PLANTED):
            raise ValueError(
                f"members={self.members}: expected 1 with test_cuts_km, told or planted links, "
                "which are about one network's graph"
            )
        return self

    @property
    def linked(self) -> bool:
        """Whether it has LAGC's graph."""
        return {**zoo.MODELS[self.model].parts, **self.parts}.get("lagc", False)

    @property
    def alone(self) -> list[RunConfig]:
        """The run of each member by itself."""
        seeds = range(self.seed, self.seed + self.members)
        return [self.model_copy(update={"seed": seed, "members": 1}) for seed in seeds]

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
        first, *others = self.dataset.split(JOINED)
        parts = [Path(first).stem + (f"-and-{len(others)}" if others else ""), self.model]
        if self.recipe and self.preset:
            parts += [self.recipe.name, self.preset.name, f"seed{self.seed}"]
        return "-".join(filter(None, [*parts, self.variant]))

    @property
    def variant(self) -> str:
        """What sets it apart, beside its seed, from a run of the main table; "" if it is one."""
        parts = [name if kept else f"no-{name}" for name, kept in self.parts.items()]
        if (self.input_steps, self.lead_steps) != (6, 6):
            parts.append(f"{self.input_steps}to{self.lead_steps}")
        if self.preset and self.preset.kernel != PRESETS.get(self.preset.name, self.preset).kernel:
            parts.append(f"kernel{self.preset.kernel}")
        if self.rotation:
            parts.append(f"rotation{self.rotation}")
        if self.cut_km is not None:
            parts.append(f"cut{self.cut_km:.0f}km")
        if self.told:
            parts.append("told")
        if self.test_cuts_km:
            parts.append("cuts")
        if self.members > 1:
            parts.append(f"mean{self.members}")
        if self.cases:
            parts.append("cases")
        return "-".join(parts)

    @property
    def keeps_all(self) -> bool:
        """Whether its record keeps maps, case and graph, too.

        On the real sets, of which many records are committed, only those of the main table do: a
        :attr:`variant` keeps its scores.
        """
        named = (self.recipe, self.preset) == (None, None) or (
            self.recipe in RECIPES.values() and self.preset in PRESETS.values()
        )
        if self.dataset in PLANTED:
            return False
        return self.dataset not in REAL or (named and not self.variant)
