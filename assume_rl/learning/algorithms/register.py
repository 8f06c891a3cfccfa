"""Add algorithms of others to the registries, and take them out again."""

from collections.abc import Mapping
from typing import get_args

from assume_rl.errors import ConfigurationError, nearest
from assume_rl.learning.algorithms import ALGORITHMS
from assume_rl.learning.algorithms.base import Algorithm, NetSpec, Status
from assume_rl.learning.config import SETTINGS, AlgorithmConfig, LearningConfig
from assume_rl.learning.nets.heads import HEADS, LADDER_HEADS


def register(algorithm: Algorithm, settings: type[AlgorithmConfig]) -> None:
    """Add an algorithm and the model of its settings.

    :param algorithm: whose name is free
    :param settings: each with a default; none has the name of a common key of `learning_config`
    :raises ConfigurationError: the two do not fit together, or break the contract
    """
    _check_settings(algorithm, settings)
    _check_networks(algorithm)
    _check_value(algorithm, settings)
    if algorithm.status not in get_args(Status):
        raise ConfigurationError(
            f"the algorithm '{algorithm.name}': its status is one of {', '.join(get_args(Status))}"
        )
    if algorithm.extras and not algorithm.on_policy:
        raise ConfigurationError(
            f"the algorithm '{algorithm.name}': only with on_policy are there extras of decisions "
            f"({', '.join(algorithm.extras)}); random actions of the initial episodes have none"
        )
    ALGORITHMS[algorithm.name] = algorithm
    SETTINGS[algorithm.name] = settings


def unregister(name: str) -> None:
    """Remove an algorithm and its settings."""
    ALGORITHMS.pop(name, None)
    SETTINGS.pop(name, None)


def _check_settings(algorithm: Algorithm, settings: type[AlgorithmConfig]) -> None:
    whose = f"the settings of the algorithm '{algorithm.name}'"
    if not (isinstance(settings, type) and issubclass(settings, AlgorithmConfig)):
        raise ConfigurationError(f"{whose} are a subclass of AlgorithmConfig, not {settings!r}")
    for key, field in settings.model_fields.items():
        if key in LearningConfig.model_fields:
            raise ConfigurationError(f"{whose}: '{key}' is a key of learning_config already")
        if field.is_required():
            raise ConfigurationError(f"{whose}: '{key}' has no default")
    if settings.on_policy != algorithm.on_policy:
        raise ConfigurationError(
            f"{whose}: on_policy is {settings.on_policy}, that of the algorithm is "
            f"{algorithm.on_policy}"
        )


def _check_networks(algorithm: Algorithm) -> None:
    """Raise `ConfigurationError` unless an algorithm's networks can be built."""
    whose = f"the algorithm '{algorithm.name}'"
    networks = algorithm.networks()
    if not isinstance(networks, Mapping) or not all(
        isinstance(spec, NetSpec) for spec in networks.values()
    ):
        raise ConfigurationError(f"{whose}: networks() returns a mapping of names to NetSpec")
    if "actor" not in networks or networks["actor"].kind != "actor":
        raise ConfigurationError(f"{whose}: there is no network 'actor' of the kind 'actor'")
    head, ladder = networks["actor"].head, networks["actor"].ladder
    if head is None and ladder is None:
        raise ConfigurationError(f"{whose}: its actor has neither a head nor one of ladders")
    if head is not None and head not in HEADS:
        raise ConfigurationError(f"{whose}: unknown head '{head}', {nearest(head, HEADS)}")
    if ladder is not None and ladder not in LADDER_HEADS:
        hint = nearest(ladder, LADDER_HEADS)
        raise ConfigurationError(f"{whose}: unknown head of ladders '{ladder}', {hint}")


def _check_value(algorithm: Algorithm, settings: type[AlgorithmConfig]) -> None:
    """Raise `ConfigurationError` if an actor could share its trunk with a value that is not there.

    Settings that define `one_trunk` can ask for one network instead of `actor` and `value`.
    """
    networks = algorithm.networks()
    there = "value" in networks and networks["value"].kind == "state_value"
    if settings.one_trunk is not AlgorithmConfig.one_trunk and not there:
        raise ConfigurationError(
            f"the algorithm '{algorithm.name}': its settings have 'one_trunk', but there is no "
            f"network 'value' of the kind 'state_value', only {', '.join(networks)}"
        )
