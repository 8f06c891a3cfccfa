"""docs/scenario-format.md lists every key and column with its default and meaning."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from assume_rl.core.bidding import BIDDERS, OPERATORS
from assume_rl.core.clearing import pay_as_clear
from assume_rl.learning.config import LearningConfig, learning_keys
from assume_rl.scenario.config.schema import Market, Product, StudyCase
from assume_rl.scenario.tables import UNIT_TABLES
from assume_rl.scenario.tables.formats import TableFormat

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scenario-format.md"
MODELS = (StudyCase, Market, Product, LearningConfig, TableFormat)
MODELS += tuple(
    dict.fromkeys(entry.Params for own in (BIDDERS, OPERATORS) for entry in own.values())
)
MODELS += (pay_as_clear.Params,)
MODELS += tuple(table.row for table in UNIT_TABLES.values())


def default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value: Any = field.default
    plain = value is None or value in ((), {}) or isinstance(value, BaseModel)
    return "–" if plain else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def row(name: str, field: FieldInfo) -> str:
    return f"| `{name}` | {default(field)} | {' '.join((field.description or '').split())} |"


@pytest.mark.parametrize("model", MODELS)
def test_every_field_has_its_row(model: type[BaseModel]) -> None:
    skipped = ("id", "bidding", "forecast")
    fields = learning_keys() if model is LearningConfig else model.model_fields
    rows = {row(k, f) for k, f in fields.items() if k not in skipped}
    missing = sorted(rows - set(PAGE.read_text(encoding="utf-8").splitlines()))
    assert not missing, "add to docs/scenario-format.md:\n" + "\n".join(missing)
