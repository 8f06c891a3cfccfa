"""The settings of a learning run: every key of `learning_config`, with its only default."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from assume_rl.durations import duration_seconds
from assume_rl.errors import ConfigurationError, nearest
from assume_rl.learning.algorithms import ALGORITHMS
from assume_rl.learning.critics import CRITICS

ScheduleName = Literal["constant", "linear"]

POLICY_SETTINGS = ("max_bid_price", "observation_window")
"""What observations and actions mean: policies act in scenarios that agree with their training."""


class LearningConfig(BaseModel):
    """Settings of a learning run, as in the `learning_config` section of a study case."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    continue_learning: bool = False
    """Start from the policies in `trained_policies_load_path`; implies `learning_mode`."""
    learning_mode: bool = Field(False, validate_default=True)
    """Says that the study case is meant for training: training it with false warns, but trains."""
    evaluation_mode: bool = False
    """Of a `Learning` role: act without noise, store nothing. Not read in a study case."""
    trained_policies_save_path: str | None = None
    """Folder of the scenario that a training copies its policies to; changes no number."""
    trained_policies_load_path: str | None = None
    """Folder of policies to act with, or to continue from."""
    min_bid_price: float = -100.0
    """EUR/MWh. Not read: learned bids lie in [-max_bid_price, max_bid_price]."""
    max_bid_price: float = Field(100.0, gt=0)
    """EUR/MWh that an action of 1 stands for."""
    observation_window: Literal["wrap", "clamp"] = "wrap"
    """What observed forecasts show after the calendar's end: its start, or the last value."""
    device: str = Field("cpu", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """Where networks live: auto, cpu, cuda or cuda:<n>; changes no number but by rounding."""

    episodes_collecting_initial_experience: int = 5
    """Episodes of random actions before the first update; values below 1 count as 1."""
    exploration_noise_std: float = Field(0.2, ge=0)
    """Standard deviation of the actions of the initial experience."""
    training_episodes: int = Field(100, gt=0)
    """Episodes of training, those of initial experience included."""
    episode_length: str | None = None
    """Length of training episodes, random parts of the calendar; None: all of it (batch engine)."""
    num_envs: int = Field(1, gt=0)
    """Training episodes that are played side by side, in copies of the market (batch engine)."""
    update_ratio: float = Field(1.0, gt=0)
    """Iterations per `gradient_steps` and copy of the market; 1 is the ratio of ASSUME."""
    validation_episodes_interval: int = Field(5, gt=0)
    """Training episodes between two evaluations."""
    train_freq: str = "24h"
    """Simulated time between two update calls."""
    batch_size: int = Field(128, gt=0)
    """Joint transitions in a batch."""
    gradient_steps: int = Field(100, gt=0)
    """Iterations of an update call."""

    algorithm: str = "matd3"
    """Key of `learning.algorithms.ALGORITHMS`."""
    critic: str = "concat"
    """Key of `learning.critics.CRITICS`."""
    compile: bool = False
    """Compile updates (torch.compile; needs a compiler); changes no number but by rounding."""
    autocast: bool = False
    """Compute the products of an update in bfloat16; not used on a CPU."""
    replay_buffer_size: int = Field(50_000, gt=0)
    """Joint transitions that the replay buffer remembers."""
    gamma: float = Field(0.99, ge=0, le=1)
    """Discount per transition."""
    actor_architecture: str = "mlp"
    """Kind of actor network."""
    policy_delay: int = Field(2, gt=0)
    """Critic steps per actor step (matd3)."""
    noise_sigma: float = Field(0.1, ge=0)
    """Standard deviation of the action noise."""
    noise_scale: float = Field(1.0, ge=0)
    """Factor on the action noise."""
    noise_dt: float = Field(1.0, ge=0)
    """Initial value of the factor on the action noise that `action_noise_schedule` changes."""
    action_noise_schedule: ScheduleName | None = None
    """How `noise_dt` changes over training; None: not at all."""
    tau: float = Field(0.005, ge=0, le=1)
    """Share by which targets move towards the online networks."""
    target_policy_noise: float = Field(0.2, ge=0)
    """Standard deviation of the noise on target actions (matd3)."""
    target_noise_clip: float = Field(0.5, ge=0)
    """Limit of that noise (matd3)."""
    learning_rate: float = Field(0.001, gt=0)
    """Of actors and critics."""
    learning_rate_schedule: ScheduleName | None = None
    """How `learning_rate` changes over training; None: not at all."""

    early_stopping_steps: int | None = Field(None, gt=0)
    """Evaluations looked back on; None: one more than training holds, i.e. never stop early."""
    early_stopping_threshold: float = Field(0.05, ge=0)
    """Relative change of the mean score below which training stops."""

    @classmethod
    def from_mapping(cls, settings: Mapping[str, Any]) -> "LearningConfig":
        """Settings from plain data; `ConfigurationError` names every key that is wrong."""
        try:
            return cls.model_validate(dict(settings))
        except ValidationError as error:
            raise ConfigurationError("\n".join(map(_problem, error.errors()))) from None

    @property
    def policy_settings(self) -> dict[str, Any]:
        """The settings that policies are made for, as their manifest keeps them."""
        return {key: getattr(self, key) for key in POLICY_SETTINGS}

    @property
    def validation_interval(self) -> int:
        """Training episodes between two evaluations, at most all of them."""
        return min(self.training_episodes, self.validation_episodes_interval)

    @property
    def early_stopping_window(self) -> int:
        """Evaluations that early stopping looks back on."""
        if self.early_stopping_steps is not None:
            return self.early_stopping_steps
        return self.training_episodes // self.validation_interval + 1

    @field_validator("learning_mode")
    @classmethod
    def _continuing_is_learning(cls, learning: bool, info: Any) -> bool:
        return learning or bool(info.data.get("continue_learning"))

    @field_validator("episodes_collecting_initial_experience")
    @classmethod
    def _at_least_one(cls, episodes: int) -> int:
        return max(episodes, 1)

    @field_validator("train_freq", "episode_length")
    @classmethod
    def _positive_duration(cls, text: str | None, info: Any) -> str | None:
        if text is not None and duration_seconds(text) == 0:
            raise ValueError(f"{info.field_name} must be longer than zero")
        return text

    @field_validator("algorithm", "critic")
    @classmethod
    def _registered(cls, name: str, info: Any) -> str:
        registry = ALGORITHMS if info.field_name == "algorithm" else CRITICS
        if name not in registry:
            raise ValueError(f"unknown {info.field_name} '{name}', {nearest(name, registry)}")
        return name

    @field_validator("actor_architecture")
    @classmethod
    def _supported(cls, name: str) -> str:
        if name == "lstm":
            raise ValueError("actor_architecture 'lstm' is not supported yet, use 'mlp'")
        if name != "mlp":
            raise ValueError(f"unknown actor_architecture '{name}', valid: mlp")
        return name

    @model_validator(mode="after")
    def _ordered_prices(self) -> "LearningConfig":
        if self.min_bid_price > self.max_bid_price:
            raise ValueError(
                f"min_bid_price {self.min_bid_price:g} is above "
                f"max_bid_price {self.max_bid_price:g}"
            )
        return self


def _problem(error: Any) -> str:
    """One sentence for one entry of pydantic's `ValidationError.errors()`."""
    key = ".".join(map(str, error["loc"]))
    where = f"learning_config.{key}" if key else "learning_config"
    if error["type"] == "extra_forbidden":
        return f"{where}: unknown key, {nearest(key, LearningConfig.model_fields)}"
    return f"{where}: {error['msg'].removeprefix('Value error, ')}"
