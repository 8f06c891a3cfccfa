"""`manifest.json`: a policy folder's description of its files."""

import json
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, ValidationError

from assume_rl.errors import PolicyError
from assume_rl.learning.policies.files import read_file
from assume_rl.learning.policies.places import manifest_of
from assume_rl.learning.types import NO_SCALES, Scales

FORMAT = "assume-rl policies"
FORMAT_VERSION = 1


class PolicyEntry(BaseModel):
    """The manifest's entry of one unit's policy."""

    model_config = ConfigDict(frozen=True)

    file: str
    architecture: str
    head: str = "softsign"
    """The meaning of the network's outputs: see `learning.nets.heads.head_of`."""
    activation: str = "relu"
    """Activation of hidden layers: key of `learning.nets.layers.ACTIVATIONS`."""
    normalised: bool = False
    """Whether the file has statistics of training that observations are normalised by."""
    dtype: str
    obs_size: int
    act_size: int
    unique_size: int
    features: tuple[tuple[str, int, str], ...] = ()
    """Name, size and scaling of the observation's features, in order."""
    scales: Scales = NO_SCALES
    """What 0 and 1 of forecasts stand for, and the prices of a ladder of seen prices."""
    sha256: str
    """Of the file."""


class Manifest(BaseModel):
    """`manifest.json` of a policy folder."""

    model_config = ConfigDict(frozen=True)

    format: str = FORMAT
    format_version: int = FORMAT_VERSION
    package_version: str
    algorithm: str
    """The training that the policies are from."""
    units: dict[str, PolicyEntry]
    extra: dict[str, Any] = {}


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a policy folder in our layout."""
    path = manifest_of(Path(folder))
    try:
        content = json.loads(read_file(path))
        form, version = content["format"], int(content["format_version"])
    except (ValueError, TypeError, KeyError):
        raise PolicyError(f"'{path}' is damaged or not the manifest of a policy folder") from None
    if form != FORMAT:
        raise PolicyError(f"'{path}' is the manifest of '{form}', not of '{FORMAT}'")
    if version > FORMAT_VERSION:
        raise PolicyError(
            f"'{path}' has format version {version}, this version of assume-rl reads up to "
            f"{FORMAT_VERSION}"
        )
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"]))
        raise PolicyError(f"'{path}' is damaged: '{key}' is missing or wrong") from None


def file_name(unit_id: str) -> str:
    """Return the name of a unit's file; `urllib.parse.unquote` of the stem gives the id back.

    >>> file_name("gas 1/a")
    'gas%201%2Fa.safetensors'
    """
    return quote(unit_id, safe="") + ".safetensors"


@cache  # reading what is installed takes as long as writing a policy
def package_version() -> str:
    """Return the version of the installed package."""
    try:
        return metadata.version("assume-rl")
    except metadata.PackageNotFoundError:
        return "not installed"
