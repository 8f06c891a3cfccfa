"""What units can do: one file and one registry line per technology.

`thermal` serves every power plant, renewables included.
"""

from assume_rl.core.units import demand, thermal
from assume_rl.core.units.protocol import Technology

TECHNOLOGIES: dict[str, Technology] = {"demand": demand, "thermal": thermal}

__all__ = ["TECHNOLOGIES", "Technology"]
