"""The differences of two sets of policies: settings, networks, weights, actions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from assume_rl.experiments.policies_on_disk.saved import SavedPolicy, answers, probes
from assume_rl.experiments.provenance import ORIGIN
from assume_rl.learning.nets.stack import ActorStack

Pairs = Mapping[str, tuple[Any, Any]]
"""What is unlike, by name: of the first and of the second."""

OF_FILES = frozenset({"file", "sha256"})
"""Fields of a manifest's entry that say nothing of what a policy does."""


@dataclass(frozen=True)
class WeightDifference:
    """How far weights are apart.

    :param largest: absolute difference of two weights
    :param relative: the norm of all differences as a share of the norm of the first weights
    """

    largest: float
    relative: float


@dataclass(frozen=True)
class ActionDifference:
    """How far actions on the same observations are apart; of policies that draw, probabilities."""

    largest: float
    mean: float


@dataclass(frozen=True)
class PolicyDifference:
    """Two policies of the same name.

    :param name: of both
    :param fields: of their manifests that are unlike
    :param weights: None: their networks have other shapes
    :param actions: None: they cannot be asked the same, or do not answer in the same way
    """

    name: str
    fields: Pairs
    weights: WeightDifference | None
    actions: ActionDifference | None

    @property
    def equal(self) -> bool:
        """Return whether one can stand for the other."""
        return not self.fields and self.weights is not None and self.weights.largest == 0.0


@dataclass(frozen=True)
class Differences:
    """Two sets of policies.

    :param origin: what is unlike of where they are from, which does not count
    :param settings: of their trainings that they depend on and that are unlike
    :param only: names that only the first has, and only the second
    :param policies: that both have
    """

    origin: Pairs
    settings: Pairs
    only: tuple[tuple[str, ...], tuple[str, ...]]
    policies: tuple[PolicyDifference, ...]

    @property
    def equal(self) -> bool:
        """Return whether one set can stand for the other."""
        return not self.settings and not any(self.only) and all(own.equal for own in self.policies)


def differences(first: Sequence[SavedPolicy], second: Sequence[SavedPolicy]) -> Differences:
    """Return the differences of two sets of policies.

    :param first: one set
    :param second: the other
    """
    a, b = ({policy.name: policy for policy in own} for own in (first, second))
    said = [_said(own) for own in (first, second)]
    unlike = _unlike(*said)
    origin = ORIGIN | {"algorithm", "package_version"}
    return Differences(
        origin={key: pair for key, pair in unlike.items() if key in origin},
        settings={key: pair for key, pair in unlike.items() if key not in origin},
        only=(tuple(n for n in a if n not in b), tuple(n for n in b if n not in a)),
        policies=tuple(_difference(a[name], b[name]) for name in a if name in b),
    )


def _said(policies: Sequence[SavedPolicy]) -> dict[str, Any]:
    """Return the manifest's entries on a whole set; nothing if there is no manifest."""
    manifest = next((own.manifest for own in policies), None)
    if manifest is None:
        return {}
    own = {"algorithm": manifest.algorithm, "package_version": manifest.package_version}
    return own | manifest.extra


def _unlike(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return entries of both that differ; an entry that one lacks is not known."""
    return {key: (a[key], b[key]) for key in a if key in b and a[key] != b[key]}


def _difference(a: SavedPolicy, b: SavedPolicy) -> PolicyDifference:
    fields = _unlike(_fields(a), _fields(b))
    same = _shapes(a.actor) == _shapes(b.actor)
    asked = (a.sizes, a.rungs, a.actor.mixed) == (b.sizes, b.rungs, b.actor.mixed)
    unread = {"features", "dtype"} & fields.keys()
    return PolicyDifference(
        a.name,
        fields,
        _weights(a.actor, b.actor) if same else None,
        _actions(a, b) if asked and not unread else None,
    )


def _fields(policy: SavedPolicy) -> dict[str, Any]:
    """Return a manifest's entries on a policy, or those that can be inferred without one."""
    actor = policy.actor
    found = {
        "architecture": actor.architecture,
        "head": actor.head,
        "activation": actor.activation,
        "normalised": actor.normalises,
        "dtype": str(actor.dtype).removeprefix("torch."),
        "obs_size": policy.sizes[0],
        "act_size": policy.sizes[1],
    }
    if policy.entry is None:
        return found
    return {key: own for key, own in policy.entry if key not in OF_FILES}


def _shapes(actor: ActorStack) -> dict[str, tuple[int, ...]]:
    return {name: tuple(weight.shape) for name, weight in actor.weights.items()}


def _weights(a: ActorStack, b: ActorStack) -> WeightDifference:
    """Return how far the weights of two networks of the same shapes are apart."""
    first, second = (
        torch.cat([weight.double().flatten() for weight in own.weights.values()]) for own in (a, b)
    )
    apart, size = second - first, float(first.norm())
    distance = float(apart.norm())
    return WeightDifference(
        float(apart.abs().max()), distance / size if size > 0 else float(distance > 0)
    )


def _actions(a: SavedPolicy, b: SavedPolicy) -> ActionDifference:
    """Return the distance of two policies' actions on the same observations."""
    obs = probes(a)
    apart = (answers(a, obs).double() - answers(b, obs).double()).abs()
    return ActionDifference(float(apart.max()), float(apart.mean()))
