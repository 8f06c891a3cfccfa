"""The JSON schemas that editors use are those of the code, and accept what the code accepts."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from assume_rl import cli
from assume_rl.scenario.config.yaml_file import read_value, read_yaml
from assume_rl.studies.schema import StudyFile, StudyKeys
from assume_rl.studies.sections import Design, Draws, Law, ScenarioFolder, StepOptions
from assume_rl.studies.tuning.schema import Objective, Pruner, Sampler, TuneFile

ROOT = Path(__file__).parents[2]
FULL = """
name: market
include: [a.yaml]
scenarios: [scenarios/a, {folder: scenarios/b, cases: [x, y]}]
cases: month
set: {learning_config.gamma: 0.9, learning_config: {tau: 0.1}}
list: [{name: a}, {name: b, set: {seed: 1}, policies: here}]
grid: {learning_config.gamma: [0.1, 0.2], learning_config: {tau: [1]}}
zip: {seed: [1, 2]}
random:
  count: 2
  seed: 1
  keys: {a: {uniform: [0, 1]}, b: {choice: [x]}, c: {d: {integer: [1, 2]}}}
seeds: [1, 2]
steps: [train, {evaluate: {name: x, case: x, policies: train, which: best_reward}}, run: {}]
engine: batch
device: cuda:0
database: null
track: tensorboard
out: here
"""


def printed(name: str, monkeypatch: Any, capsys: Any) -> str:
    monkeypatch.setattr(sys, "argv", ["assume-rl", "schema", name])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    return str(capsys.readouterr().out)


def committed(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / f"docs/schemas/{name}.schema.json").read_text())
    return found


@pytest.mark.parametrize("name", ["study", "scenario", "tune"])
def test_the_committed_schema_is_what_the_command_prints(
    name: str, monkeypatch: Any, capsys: Any
) -> None:
    file = f"docs/schemas/{name}.schema.json"
    text = (ROOT / file).read_text(encoding="utf-8")
    assert text == printed(name, monkeypatch, capsys), f"assume-rl schema {name} > {file}"


def test_every_key_has_a_description() -> None:
    for name in ("study", "scenario", "tune"):
        content = committed(name)
        sections = [content, *content["$defs"].values()]
        for section in (part for one in sections for part in one.get("anyOf", [one])):
            for key, value in section.get("properties", {}).items():
                assert value.get("description"), (name, section["title"], key)


@pytest.mark.parametrize("model", [StudyFile, ScenarioFolder, Design, Draws, Law, StepOptions])
def test_every_key_has_its_row_in_the_docs(model: type[BaseModel]) -> None:
    check_rows("batch.md", model.model_fields)


@pytest.mark.parametrize("model", [TuneFile, Objective, Sampler, Pruner])
def test_every_key_of_a_tune_file_has_its_row_in_the_docs(model: type[BaseModel]) -> None:
    fields = {k: v for k, v in model.model_fields.items() if k not in StudyKeys.model_fields}
    check_rows("how-to/tune.md", fields)


def test_the_tune_schema_takes_every_form() -> None:
    check = validator("tune")
    least = {"scenarios": "a", "space": {"a": {"uniform": [0, 1]}}, "trials": 3}
    least["objective"] = {"maximize": "reward"}
    check.validate(least)
    check.validate(least | {"sampler": "random", "pruner": "none", "seeds": 2, "steps": "train"})
    check.validate(least | {"pruner": {"name": "median", "by": "regret"}, "timeout": "2h"})
    check.validate(least | {"space": {"a": {"b": {"integer": [1, 9], "step": 2}}}})
    for wrong in (
        {"space": {}},
        {"trials": 0},
        {"pruner": "medan"},
        {"grid": {"x": [1]}},
        {"objective": {"maximise": "reward"}},
    ):
        assert not check.is_valid(least | wrong), wrong


def check_rows(page: str, fields: Mapping[str, FieldInfo]) -> None:
    lines = (ROOT / "docs" / page).read_text(encoding="utf-8").splitlines()
    rows = [row_of(key, field) for key, field in fields.items()]
    missing = [row for row in rows if row not in lines]
    assert not missing, f"add to docs/{page}:\n" + "\n".join(missing)


def row_of(key: str, field: FieldInfo) -> str:
    default = field.default
    if field.is_required():
        shown = "required"
    elif default is None or default in ((), {}):
        shown = "–"
    else:
        shown = f"`{', '.join(default) if isinstance(default, tuple) else default}`"
    return f"| `{key}` | {shown} | {' '.join((field.description or '').split())} |"


def validator(name: str) -> Any:
    jsonschema = pytest.importorskip("jsonschema", reason="validates against JSON schemas")
    content = committed(name)
    jsonschema.Draft202012Validator.check_schema(content)
    return jsonschema.Draft202012Validator(content)


def test_the_study_schema_takes_every_form() -> None:
    check = validator("study")
    check.validate(read_value(FULL))
    check.validate({"scenarios": "a", "seeds": 3, "steps": "train", "track": ["tensorboard"]})
    for wrong in (
        {},
        {"scenarios": "a", "seedz": 1},
        {"scenarios": "a", "steps": ["trian"]},
        {"scenarios": "a", "steps": [{"train": {"nme": "x"}}]},
        {"scenarios": "a", "grid": {"x": 1}},
        {"scenarios": "a", "random": {"count": 0, "keys": {"a": {"choice": [1]}}}},
        {"scenarios": "a", "engine": "steam"},
    ):
        assert not check.is_valid(wrong), wrong


def test_the_scenario_schema_takes_our_scenarios() -> None:
    check = validator("scenario")
    for path in sorted((ROOT / "scenarios").glob("*/config.yaml")):
        check.validate(yaml.safe_load(path.read_text()))
        content = read_yaml(path)
        case = next(iter(content.values()))
        for wrong in ({"time_step": 3600}, {"sed": 1}, {"seed": "seven"}):
            assert not check.is_valid({"base": case | wrong}), wrong


def test_an_unknown_format_exits_with_2(monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr(sys, "argv", ["assume-rl", "schema", "stdy"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert "study" in capsys.readouterr().err
