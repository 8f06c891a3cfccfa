"""Whether a step can be done, as far as that is known before anything runs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assume_rl.errors import ConfigurationError
from assume_rl.experiments.case import compiled_case
from assume_rl.experiments.engine_choice import choose_engine
from assume_rl.experiments.engines import EngineName
from assume_rl.experiments.policies import all_policies
from assume_rl.experiments.scales import compiled_to_play
from assume_rl.experiments.train_task import training_task
from assume_rl.learning.config import POLICY_SETTINGS, learning_keys
from assume_rl.scenario.compile.compiled import Compiled
from assume_rl.scenario.types import Scenario
from assume_rl.studies.types import Step

NUMBERS = ("fuel_prices", "demand", "availability")
"""Parts of a scenario that decide about numbers only, not about who bids where."""


class Checks:
    """Checks steps; those that differ in mere numbers are checked once."""

    def __init__(self, engine: EngineName) -> None:
        self._engine = engine
        self._passed: set[str] = set()

    def check(self, step: Step, scenario: Scenario, *, trained: bool) -> None:
        """Raise `AssumeRlError` if the step cannot be done.

        :param trained: whether its policies come from an earlier step.
        """
        key = kind_of(step)
        if key in self._passed:
            return
        source = None if trained or step.policies is None else Path(step.policies)
        if step.kind == "train":
            # The device is that of whoever does the run.
            training_task(scenario, source, "cpu", self._engine)
        else:
            self._check_play(step, scenario, source, trained=trained)
        self._passed.add(key)

    def _check_play(
        self, step: Step, scenario: Scenario, source: Path | None, *, trained: bool
    ) -> None:
        compiled = compiled_case(scenario) if trained else compiled_to_play(scenario, source)
        choose_engine(self._engine, compiled, default="agents")
        if step.kind == "evaluate" and not compiled.learners:
            raise ConfigurationError(f"study case '{scenario.case}' has no learning bidder")
        if not trained:
            _check_policies(step, compiled, source)


def _check_policies(step: Step, compiled: Compiled, source: Path | None) -> None:
    """Raise `AssumeRlError` unless every learning bidder has a policy; a training may be missing.

    The message is in words of a study file, which has no options like --policies.
    """
    bare = source is None and compiled.scenario.learning.trained_policies_load_path is None
    missing = [unit for unit in compiled.learners if unit not in compiled.scenario.config.policies]
    if bare and missing:
        steps = "[train]" if step.kind == "run" else f"[train, {step.kind}]"
        raise ConfigurationError(
            f"{len(missing)} learning bidder(s) have no policy, e.g. '{missing[0]}'; add "
            f"`steps: {steps}`, or `policies:` to the design"
        )
    all_policies(compiled, source)


def kind_of(step: Step) -> str:
    """Return a key for steps that are possible or impossible alike."""
    settings = {key: value for key, value in step.settings.items() if not is_number(key)}
    parts: Mapping[str, Any] = {**vars(step), "settings": settings}
    return json.dumps(parts, sort_keys=True, default=str)


def is_number(key: str) -> bool:
    """Return whether a setting is just a number: a price, a rate, the power of a unit."""
    head, _, rest = key.partition(".")
    if head == "learning_config":
        field = learning_keys().get(rest)
        return field is not None and field.annotation is float and rest not in POLICY_SETTINGS
    return head in NUMBERS or (head == "units" and ".bidding_" not in rest)
