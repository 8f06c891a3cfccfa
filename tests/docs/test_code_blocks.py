"""Every block of Python, shell and YAML in the documentation runs as printed, or nearly so."""

import shlex
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import pytest
import yaml
from code_blocks import PAGES, ROOT, Block, blocks, commands
from given import GIVEN
from shell import run_command
from typer.main import get_command

from assume_rl.cli import app
from assume_rl.core.bidding import BIDDERS
from assume_rl.core.clearing import RULES
from assume_rl.core.units import TECHNOLOGIES
from assume_rl.reports.topics.registry import TOPICS
from assume_rl.results.tracking import TRACKERS
from assume_rl.scenario.config.schema import StudyCase
from assume_rl.scenario.plugins import unload_plugins
from assume_rl.scenario.tables import UNIT_TABLES, unregister
from assume_rl.studies.costs import PlayCost, TrainCost
from assume_rl.studies.merge import normal
from assume_rl.studies.probe import Probe
from assume_rl.studies.schema import StudyFile
from assume_rl.studies.tuning.schema import TuneFile

pytestmark = pytest.mark.unchecked

SMALLEST = {
    "start_date": "2019-01-01",
    "end_date": "2019-01-02",
    "time_step": "1h",
    "markets_config": {},
}
SHORT = {
    "training_episodes": 2,
    "episodes_collecting_initial_experience": 1,
    "validation_episodes_interval": 1,
    "gradient_steps": 1,
}
HOURS = {"end_date": "2019-03-04 06:00", "learning_config.train_freq": "3h"}  # six of two days
FILES = ("csv", "yaml")  # blocks that may be files, which other blocks of the page need
ONE = "scenarios/single_learner"
KEPT = ("--case", "--plugin", "--set")  # options of a training that make its study case
WITH_CODE = [page for page in PAGES if blocks(page)]


@pytest.fixture(autouse=True)
def registries():
    """Pages may register things; the next page does not know them."""
    kinds = tuple(UNIT_TABLES)
    with (
        patch.dict(RULES),
        patch.dict(BIDDERS),
        patch.dict(TECHNOLOGIES),
        patch.dict(TRACKERS),
    ):
        yield
        unload_plugins()
    for name in [name for name in UNIT_TABLES if name not in kinds]:
        unregister(name)


@pytest.fixture
def folder(tmp_path, monkeypatch, pytestconfig):
    """A folder with the repository's scenarios and examples in it, to work in."""
    for name in ("scenarios", "examples"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "98")
    # Other tests look at trials of a study's steps.
    play = PlayCost(0.1, 0.01)
    training = TrainCost(1.0, 0.01, 0.1, 0.01, 0.1, play, tmp_path)
    monkeypatch.setattr(Probe, "train", lambda *_: training)
    monkeypatch.setattr(Probe, "play", lambda *_: play)
    # Other tests look at the topics of reports, too.
    if not pytestconfig.getoption("--run-slow"):
        for name in TOPICS.keys() - {"learning", "runs"}:
            monkeypatch.delitem(TOPICS, name)
    return tmp_path


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """What is made once for all pages."""
    return tmp_path_factory.mktemp("docs")


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_of_the_page(page, folder, shared, monkeypatch, capsys, pytestconfig):
    names = ModuleType("page")  # dataclasses look for the module that they are defined in
    monkeypatch.setitem(sys.modules, "page", names)
    tried = [block for block in blocks(page) if not block.noted("skip because")]
    whole = pytestconfig.getoption("--run-slow")
    for number, block in enumerate(tried):
        left_out = block.noted("slow") and not whole
        for what in () if left_out else block.noted("given"):
            GIVEN[what](names.__dict__, shared)
        if block.title:
            write(block, folder)
        if block.language == "python" and not block.title and not left_out:
            exec(compile(block.text, block.where, "exec"), names.__dict__)
        elif block.language in ("bash", "console"):
            later = None if whole else "\n".join(other.text for other in tried[number + 1 :])
            run_shell(block, later, monkeypatch, capsys)
        elif block.language == "yaml":
            check_yaml(block)
        assert block.title or block.language not in FILES[:1], f"{block.where}: which file is it?"


def write(block: Block, folder: Path) -> None:
    path = folder / str(block.title)
    assert path.resolve().is_relative_to(folder), f"{block.where}: is not in the folder"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = shortened(block.text) if block.noted("shorten") else block.text
    path.write_text(text, encoding="utf-8")


def shortened(study: str) -> str:
    """Let the trainings of a study file be as short as they can be."""
    content = yaml.safe_load(study)
    short = {f"learning_config.{key}": value for key, value in SHORT.items()}
    tiny = content.get("scenarios") == ONE and content.get("cases") in ("tiny", ["tiny"])
    if tiny and "case: next_week" not in study:
        short |= HOURS
    return yaml.safe_dump(content | {"set": content.get("set", {}) | short}, sort_keys=False)


def run_shell(block, later, monkeypatch, capsys):
    """Run the commands of a block.

    :param later: what the page has after the block: a training whose folder is not in it is only
        checked; None: all are run
    """
    more = [word for text in block.noted("add") for word in shlex.split(text)]
    if block.noted("shorten"):
        short = {f"learning_config.{key}": value for key, value in SHORT.items()}
        short |= HOURS if {ONE, "tiny"} <= {*block.text.split(), *more} else {}
        more += [word for k, v in short.items() for word in ("--set", f"{k}={v}")]
    todo = [
        (command, replaced(command.words, more if command.words[0] == "assume-rl" else []))
        for command in commands(block)
    ]
    for number, (command, words) in enumerate(todo):
        only_checked = False
        if later is not None and words[1] != "train" and block.noted("slow"):
            continue
        if later is not None and words[:2] == ["assume-rl", "train"]:
            looked_at = block.noted("exact") or block.noted("fails")
            needed = looked_at or folder_of(words) in f"{todo[number + 1 :]}{later}"
            only_checked = block.noted("slow") or not needed
        capsys.readouterr()
        code = run_command(checked_only(words) if only_checked else words, monkeypatch)
        printed = capsys.readouterr()
        if block.noted("fails"):
            assert (code, printed.err) == (2, command.output), block.where
        else:
            assert code == 0, f"{block.where}: {printed.err}"
        if block.noted("exact"):
            assert printed.out == command.output, block.where


def folder_of(training: Sequence[str]) -> str:
    """How a training's folder is written, or how that begins where it is the usual one."""
    if "--out" in training:
        return training[training.index("--out") + 1]
    return f"runs/{Path(training[2]).name}_"


def replaced(words: Sequence[str], more: Sequence[str]) -> list[str]:
    """The words of a command and more of them, without settings that the latter set anew."""
    anew = {word.partition("=")[0] for word in more}
    kept = list(words)
    for k in range(len(words) - 1, 0, -1):
        if words[k - 1] == "--set" and words[k].partition("=")[0] in anew:
            del kept[k - 1 : k + 1]
    return [*kept, *more]


def checked_only(training: Sequence[str]) -> list[str]:
    """The command that checks the study case of a training whose options are right."""
    get_command(app).get_command(None, "train").make_context("train", list(training[2:]))
    pairs = pairwise(training)
    kept = [word for pair in pairs if pair[0] in KEPT for word in pair]
    return ["assume-rl", "validate", training[2], *kept]


def check_yaml(block: Block) -> None:
    """A whole `config.yaml`, a part of a study case, a study file or a tune file."""
    content = yaml.safe_load(block.text)
    if content.keys() <= StudyCase.model_fields.keys():
        StudyCase.model_validate({**SMALLEST, **content})
    elif all(isinstance(case, dict) and "start_date" in case for case in content.values()):
        for case in content.values():
            StudyCase.model_validate(case)
    elif "space" in content:
        TuneFile.model_validate(normal(content, "block"))
    else:
        StudyFile.model_validate(content)


def test_no_page_hides_a_block_in_a_list_or_leaves_a_command_without_language():
    for page in PAGES:
        fence = None
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            where = f"{page.relative_to(ROOT)}:{number}"
            assert not line.startswith((" ```", "  ```")), f"{where}: indented block is not tried"
            if line.startswith("```"):
                fence = None if fence is not None else line.removeprefix("```")
            plain = fence == "" and line.startswith(("assume-rl ", "$ assume-rl ", "python "))
            assert not plain, f"{where}: call the block bash or console, so that it is tried"


def test_reasons_to_skip_are_few_and_true():
    skips = [(b.where, *b.noted("skip because")) for p in PAGES for b in blocks(p)]
    reasons = [reason for _, *found in skips for reason in found]
    known = ("it needs", "it takes", "it installs")
    assert [reason for reason in reasons if not reason.startswith(known)] == []
