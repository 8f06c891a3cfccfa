"""Dotted keys of settings."""


def overlap(one: str, other: str) -> bool:
    """Return whether two dotted keys are the same, or one is a section that holds the other.

    >>> overlap("learning_config", "learning_config.gamma"), overlap("seed", "seeds")
    (True, False)
    """
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")
