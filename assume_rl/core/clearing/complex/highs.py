"""HiGHS, and programs as it takes them."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from assume_rl.core.clearing.complex.book import Flags, Floats, Ints
from assume_rl.errors import AssumeRlError, ConfigurationError, uninstalled

GAP = 1e-6
"""Relative gap of a mixed-integer solution."""


class NoSolution(AssumeRlError):
    """HiGHS found no solution of a program that has one."""


@dataclass(frozen=True)
class Rows:
    """Linear conditions: lower <= sum of value times column <= upper."""

    row: Ints  # of each entry
    column: Ints
    value: Floats
    lower: Floats  # of each row
    upper: Floats


@dataclass(frozen=True)
class Program:
    """Minimise cost times x over lower <= x <= upper and rows; some of x are whole numbers."""

    cost: Floats
    lower: Floats
    upper: Floats
    whole: Flags
    rows: Rows


def missing() -> str | None:
    """Return what to install, None if HiGHS is there."""
    if find_spec("highspy") is not None:
        return None
    return uninstalled("complex_clearing", "HiGHS", "highs")


class Solver:
    """One HiGHS object, which solves one program after the other.

    :raises ConfigurationError: HiGHS is not installed
    """

    def __init__(self) -> None:
        hint = missing()
        if hint is not None:
            raise ConfigurationError(hint)
        import highspy

        self._lib: Any = highspy
        # The subclass with a public name, `Highs`, greets on standard output when it is made.
        self._highs: Any = highspy._core._Highs()
        options = {"output_flag": False, "threads": 1, "random_seed": 0, "mip_rel_gap": GAP}
        for name, value in options.items():
            self._highs.setOptionValue(name, value)

    def solve(self, program: Program) -> Floats:
        """Return a solution.

        :param program: that has one
        :raises NoSolution: HiGHS does not find it
        """
        self._highs.passModel(self._model(program))
        self._highs.run()
        status = self._highs.getModelStatus()
        if status != self._lib.HighsModelStatus.kOptimal:
            raise NoSolution(f"HiGHS: {self._highs.modelStatusToString(status)}")
        found: Floats = np.array(self._highs.getSolution().col_value)
        return found

    def _model(self, program: Program) -> Any:
        rows, columns = len(program.rows.lower), len(program.cost)
        model = self._lib.HighsLp()
        model.num_col_, model.num_row_ = columns, rows
        model.col_cost_, model.col_lower_ = program.cost, program.lower
        model.col_upper_ = program.upper
        model.row_lower_, model.row_upper_ = program.rows.lower, program.rows.upper
        sort = np.argsort(program.rows.row, kind="stable")
        matrix = model.a_matrix_
        matrix.format_ = self._lib.MatrixFormat.kRowwise
        matrix.num_col_, matrix.num_row_ = columns, rows
        matrix.start_ = np.searchsorted(program.rows.row[sort], np.arange(rows + 1))
        matrix.index_, matrix.value_ = program.rows.column[sort], program.rows.value[sort]
        if program.whole.any():
            kinds = self._lib.HighsVarType
            model.integrality_ = [
                kinds.kInteger if own else kinds.kContinuous for own in program.whole
            ]
        return model
