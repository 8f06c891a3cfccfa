"""The metadata of exported files on their policies."""

import json
from typing import Any

from assume_rl.errors import PolicyError
from assume_rl.experiments.policies_on_disk.saved import SavedPolicy

FORMAT = "assume-rl policy"
FORMAT_VERSION = 1
PRODUCER = "assume-rl"
"""Of graphs."""
TOLERANCE = 1e-6
"""Most that an action of an exported policy may differ from the policy's."""
OF_SHARES = 1e-5
"""The same of probabilities, which are quotients and so have larger rounding errors."""


def check_same(policy: SavedPolicy, form: str, difference: float) -> None:
    """Refuse an exported policy that does not act as the policy.

    :param policy: exported
    :param form: in which it was
    :param difference: the largest, of actions or probabilities
    :raises PolicyError: it is more than rounding
    """
    most = OF_SHARES if policy.actor.mixed else TOLERANCE
    if not difference <= most:  # NaN is refused too
        what = "probabilities" if policy.actor.mixed else "actions"
        raise PolicyError(
            f"the {form} of policy '{policy.name}' does not act as the policy: {what} differ by up "
            f"to {difference:.2g}, more than {most:g}; nothing was written"
        )


def metadata(policy: SavedPolicy) -> dict[str, str]:
    """Return a policy file's metadata: texts, of which all but the first are JSON.

    :param policy: of the file
    """
    entry, manifest = policy.entry, policy.manifest
    said: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "unit": policy.name,
        "algorithm": None if manifest is None else manifest.algorithm,
        "architecture": policy.actor.architecture,
        "head": policy.actor.head,
        "rungs": policy.rungs,
        "draws": policy.actor.mixed,
        "features": [] if entry is None else entry.features,
        "scales": None if entry is None else vars(entry.scales),
        "trained": policy.settings,
        "sha256": None if entry is None else entry.sha256,
    }
    return {"format": FORMAT, **{key: json.dumps(value) for key, value in said.items()}}
