"""What tells one deterministic actor-critic algorithm from another."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Algorithm:
    """A variant of multi-agent deterministic policy gradients with centralised critics."""

    critics: int  # per agent; the target takes the least of their values
    smooths_targets: bool  # clipped noise on target actions
    delays_policy: bool  # one actor step per `policy_delay` critic steps, otherwise one each
    paper: str
