"""The most that a storage could earn if it knew all prices and its trades did not change them."""

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from assume_rl.core.units.storage import StorageParams
from assume_rl.errors import ConfigurationError, uninstalled


def check_solver() -> None:
    """Raise `ConfigurationError` unless linear programmes can be solved."""
    if find_spec("scipy") is None:
        raise ConfigurationError(uninstalled("perfect foresight", "scipy", "bench"))


def perfect_foresight(
    storage: StorageParams, price: NDArray[np.float64], hours: NDArray[np.float64]
) -> float:
    """Return the greatest profit of a storage at given prices, EUR: a linear programme.

    It chooses charging power c, discharging power d and content e after each step:

        maximise    sum of h [(p - k_d) d - (p + k_c) c]
        subject to  e = e_before + h (eta_c c - d / eta_d)

    with all of them within their limits, and e at first as the storage has it. What is left at the
    end is worth nothing. Least powers and ramps are left out, and both directions at once are
    possible, so that no way of bidding at these prices earns more.

    :param storage: parameters of one storage
    :param price: EUR/MWh, (step,), of steps that follow each other
    :param hours: length of each step, (step,)
    """
    from scipy.optimize import linprog
    from scipy.sparse import diags_array, eye_array, hstack

    def only(name: str) -> float:
        return float(getattr(storage, name).item())

    n, capacity = len(price), only("capacity")
    start = only("initial_soc") * capacity
    least, most = (min(only("min_soc") * capacity, start), max(only("max_soc") * capacity, start))
    gain = np.concatenate(
        [
            -hours * (price + only("additional_cost_charge")),
            hours * (price - only("additional_cost_discharge")),
            np.zeros(n),
        ]
    )
    balance = hstack(
        [
            diags_array(-hours * only("efficiency_charge")),
            diags_array(hours / only("efficiency_discharge")),
            eye_array(n) - eye_array(n, k=-1),
        ]
    )
    held = np.zeros(n)
    held[0] = start
    power = [(0.0, -only("max_power_charge"))] * n + [(0.0, only("max_power_discharge"))] * n
    found = linprog(-gain, A_eq=balance, b_eq=held, bounds=power + [(least, most)] * n)
    assert found.success, found.message  # doing nothing is possible, and power is limited
    return float(-found.fun)
