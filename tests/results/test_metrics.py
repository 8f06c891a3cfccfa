"""Key figures and the line-by-line log."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
import torch

from assume_rl.errors import ResultsError
from assume_rl.results.metrics import JsonLines, compute_kpis, read_episodes, write_kpis
from assume_rl.results.sinks import DatabaseSink
from assume_rl.results.tables import metadata


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[DatabaseSink]:
    with DatabaseSink(f"sqlite:///{tmp_path / 'results.db'}", "run") as sink:
        yield sink


def columns(file: Path, convert: dict[str, Callable[[str], object]]) -> dict[str, list[object]]:
    with file.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    return {name: [convert.get(name, str)(row[name]) for row in rows] for name in rows[0]}


def number(text: str) -> float:
    return float(text) if text else np.nan


def write_recorded(sink: DatabaseSink, folder: Path) -> None:
    for name in ("market_meta", "market_dispatch"):
        kinds = metadata().tables[name].columns
        convert = {c.name: number for c in kinds if isinstance(c.type, sa.Float)}
        convert |= {c.name: np.datetime64 for c in kinds if isinstance(c.type, sa.DateTime)}
        sink.write(name, columns(folder / "expected" / f"{name}.csv", convert))
    plants = columns(folder / "inputs/powerplant_units.csv", {"max_power": float})
    sink.write("power_plant_meta", {"index": plants["name"], "max_power": plants["max_power"]})


@pytest.mark.reference
@pytest.mark.parametrize("vector", ["v01_basic", "v02_pay_as_bid"])
def test_key_figures_of_recorded_runs(reference: Path, sink: DatabaseSink, vector: str) -> None:
    folder = reference / "vectors" / vector
    write_recorded(sink, folder)
    recorded = columns(folder / "expected" / "kpis.csv", {"value": float})
    keys = zip(recorded["variable"], recorded["ident"], strict=True)
    expected = dict(zip(keys, recorded["value"], strict=True))

    write_kpis(sink)

    table = metadata().tables["kpis"].c
    found = {
        (v, i): x for v, i, x in sink.read(sa.select(table.variable, table.ident, table.value))
    }
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-9)


def test_key_figures_by_hand(sink: DatabaseSink) -> None:
    sink.write(
        "market_meta",
        {
            "market_id": ["A", "A", "B"],
            "price": [10.0, 30.0, 5.0],
            "demand_volume_energy": [2.0, 1.0, 4.0],
        },
    )
    sink.write(
        "market_dispatch",
        {"market_id": ["A"] * 3, "unit_id": ["N", "D", "S"], "power": [5.0, -5.0, 7.0]},
    )
    sink.write("power_plant_meta", {"index": ["N"], "max_power": [20.0]})
    sink.write("storage_meta", {"index": ["S"], "max_power_discharge": [7.0]})  # is no plant

    assert set(compute_kpis(sink)) == {
        ("avg_price", "A", 20.0),
        ("avg_price", "B", 5.0),
        ("total_cost", "A", 50.0),
        ("total_cost", "B", 20.0),
        ("total_volume", "A", 3.0),
        ("total_volume", "B", 4.0),
        ("capacity_factor", "A", 0.25),
    }


def test_key_figures_leave_other_simulations_alone(sink: DatabaseSink, tmp_path: Path) -> None:
    with DatabaseSink(f"sqlite:///{tmp_path / 'results.db'}", "other") as other:
        other.write("market_meta", {"market_id": ["A"], "price": [10.0]})
        other.write("power_plant_meta", {"index": ["N"], "max_power": [1.0]})
    sink.write("market_dispatch", {"market_id": ["A"], "unit_id": ["N"], "power": [5.0]})
    sink.write("power_plant_meta", {"index": ["N"], "max_power": [20.0]})
    assert write_kpis(sink) == [("capacity_factor", "A", 0.25)]


def test_each_line_is_readable_at_once(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    with JsonLines(path) as log:
        log.write({"episode": 1, "reward": torch.tensor([0.5, float("nan")])})
        assert json.loads(path.read_text()) == {"episode": 1, "reward": [0.5, None]}
        log.write({"episode": 2, "reward": np.float64(1 / 3)})
    with JsonLines(path) as log:
        log.write({"episode": 3})

    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["episode"] for line in lines] == [1, 2, 3]
    assert lines[1]["reward"] == 1 / 3


def test_a_log_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="cannot be written: No such file"):
        JsonLines(tmp_path / "nowhere" / "metrics.jsonl")


def test_what_was_written_is_read(tmp_path: Path) -> None:
    lines = [{"episode": k, "evaluation": k == 2, "reward": 0.1 * k} for k in (1, 2)]
    with JsonLines(tmp_path / "metrics.jsonl") as log:
        for line in lines:
            log.write(line)
    assert read_episodes(tmp_path / "metrics.jsonl") == lines
    assert read_episodes(tmp_path / "none.jsonl") == []


@pytest.mark.parametrize(
    "damaged",
    [
        b'{"episode": 2, "eva',
        b'{"episode": 2, "evaluation": false}',  # half of it: a line ends with a line feed
        b"no\n",
        b"{}\n",
        b"[2, false]\n",
        b"\x00\x00\x00\n",
        b"\xff\xfe\n",
    ],
)
def test_reading_stops_at_a_damaged_line(tmp_path: Path, damaged: bytes) -> None:
    whole = b'{"episode": 1, "evaluation": false}\n'
    rest = whole if damaged.endswith(b"\n") else b""
    (tmp_path / "m.jsonl").write_bytes(whole + damaged + rest)
    assert read_episodes(tmp_path / "m.jsonl") == [{"episode": 1, "evaluation": False}]


def test_a_log_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").mkdir()
    with pytest.raises(ResultsError, match=r"m\.jsonl' cannot be read"):
        read_episodes(tmp_path / "m.jsonl")
