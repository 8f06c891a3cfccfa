"""YAML as it is read here: scalars of YAML 1.2, keys once, no bombs."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from assume_rl.errors import ScenarioError
from assume_rl.scenario.config.yaml_file import read_value, read_yaml


def read(tmp_path: Path, text: str) -> Any:
    path = tmp_path / "some.yaml"
    path.write_text(text)
    return read_yaml(path)


def refused(tmp_path: Path, text: str) -> str:
    start = time.process_time()
    with pytest.raises(ScenarioError) as raised:
        read(tmp_path, text)
    assert time.process_time() - start < 2
    message = str(raised.value)
    assert message.startswith("some.yaml: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7), ("-7", -7), ("0", 0), ("0x1F", 31), ("0o17", 15), ("1e-5", 1e-5), (".5", 0.5),
        ("1e3", 1000.0), ("true", True), ("FALSE", False), ("null", None), ("~", None), ("", None),
        ("yes", "yes"), ("off", "off"), ("1:30", "1:30"), ("1_000", "1_000"), ("0b11", "0b11"),
        ("2019-01-01", "2019-01-01"), ("2019-01-01 00:00:00", "2019-01-01 00:00:00"),
        ("2019-02-30", "2019-02-30"), ("1.5.2", "1.5.2"), ("'042'", "042"),
        ("{042: 1}", {"042": 1}), ("{1: a, no: b}", {"1": "a", "no": "b"}),
    ],
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    found = read_value(text)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize("text", ["042", "-017", "00", "089"])
def test_numbers_that_versions_of_yaml_read_differently_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text} is not clear: write "):
        read_value(text)


@pytest.mark.parametrize(
    ("text", "second"),
    [
        ("a: 1\na: 2", "'a' is written twice"),
        ("a: 1\n'a': 2", "'a' is written twice"),
        ('a: 1\n"\\x61": 2', "'a' is written twice"),
        ("1: a\n'1': b", "'1' is written twice"),
        ("1: a\n0x1: b", "'0x1' is written twice, also as '1'"),
        ("true: a\nTrue: b", "'True' is written twice, also as 'true'"),
        ("~: a\nnull: b", "'null' is written twice, also as '~'"),
        ("b: {a: 1, a: 2}", "'a' is written twice"),
    ],
)
def test_a_key_is_there_once_however_it_is_written(tmp_path: Path, text: str, second: str) -> None:
    assert f"the key {second} (line " in refused(tmp_path, text)


def test_merged_keys_give_way_to_written_ones(tmp_path: Path) -> None:
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}"
    assert read(tmp_path, text)["b"] == {"x": 1, "y": 3}


def test_what_is_merged_may_have_merged_itself(tmp_path: Path) -> None:
    text = "{d: &d {x: 1, y: 1}, outer: {a: &a {<<: *d, x: 2}}, b: {<<: *a, z: 3}}"
    assert read(tmp_path, text)["b"] == {"x": 2, "y": 1, "z": 3}


@pytest.mark.parametrize(
    "text",
    [
        "!!int abc",
        "!!float a",
        "!!bool maybe",
        "!!timestamp a",
        "!!int [1]",
        "{!!null a: 1}",
        "! a",
    ],
)
def test_tags_are_refused(tmp_path: Path, text: str) -> None:
    message = refused(tmp_path, f"a: {text}")
    assert "is not read: write the value alone, or text in quotes (line 1)" in message


LEVELS = "\n".join(
    ["a0: &a0 [x, x]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 30))]
)
BOMBS = {
    "lists": LEVELS,
    "mappings": LEVELS.replace("[", "{p: ").replace(", ", ", q: ").replace("]", "}"),
    "merges": "a0: &a0 {x: 1, y: 2}\n"
    + "\n".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}" for i in range(1, 12)),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_of_aliases_are_refused_at_once(tmp_path: Path, bomb: str) -> None:
    assert "aliases (*) stand for more than 100,000 values" in refused(tmp_path, BOMBS[bomb])


@pytest.mark.parametrize(
    "text", ["[" * 3000 + "]" * 3000, "[" * 3000, "{a: " * 300 + "1" + "}" * 300]
)
def test_deep_nesting_is_refused(tmp_path: Path, text: str) -> None:
    assert "is nested more than 50 levels deep (line 1)" in refused(tmp_path, text)
    with pytest.raises(ValueError, match="is nested more than 50 levels deep"):
        read_value(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: &a [*a]", "an anchor (&) holds an alias (*) of itself (line 1)"),
        ("a: *b", "is not valid YAML: an alias (*) without its anchor (&) (line 1)"),
        ("a: [1, 2", "is not valid YAML: a bracket that is not closed (line 1)"),
        ("a: 'b", "is not valid YAML: a quotation mark that is not closed (line 1)"),
        ("a: b: c", "is not valid YAML: a colon that cannot stand there"),
        ("a:\n\t- b", "is not valid YAML: a sign that cannot stand there"),
        ("a: 1\n---\nb: 2", "is not valid YAML: a second document (---) (line 2)"),
        ("a: !!python/object:os.system 1", "a tag (!!python/object:os.system) is not read"),
        ("a: b\x07", "is not valid YAML: a sign that no text file should have"),
        ("[1, 2]: a", "a key must be text, not a list or mapping (line 1)"),
        ("a: " + "9" * 5000, "a number with 5000 digits (line 1)"),
        ("a: " + "x" * 2_000_001, "is longer than 2,000,000 signs"),
    ],
)
def test_what_is_wrong_is_said_in_our_own_words(tmp_path: Path, text: str, reason: str) -> None:
    assert reason in refused(tmp_path, text)


def test_only_files_are_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    loop = tmp_path / "loop.yaml"
    loop.symlink_to(loop)
    for path, what in {
        pipe: "is a pipe or a device, not a file",
        Path("/dev/zero"): "is a pipe or a device, not a file",
        Path("/proc/self/mem"): "cannot be read",
        loop: "cannot be read: too many levels of symbolic links",
        tmp_path: "is a folder, not a file",
        tmp_path / ("x" * 300): "cannot be read: file name too long",
    }.items():
        with pytest.raises(ScenarioError, match=what):
            read_yaml(path)
