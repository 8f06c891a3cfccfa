"""Learning algorithms: one file and one line here for each."""

ALGORITHMS: dict[str, object] = {"matd3": None, "maddpg": None}
