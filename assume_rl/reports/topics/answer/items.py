"""The first screen: what was compared, trained or run, by how much it differs, and how sure."""

from collections.abc import Iterator

from assume_rl.reports.topics.answer.seeds import seeds_lead
from assume_rl.reports.topics.answer.single import single_lead
from assume_rl.reports.topics.answer.study import study_items
from assume_rl.reports.topics.answer.words import subject
from assume_rl.reports.topics.base import Scope
from assume_rl.reports.types import Item, Lead

TITLE = "In short"
FIRST = (
    *("compare", "profit-in", "profit-while", "reward-in", "bids-", "dispatch", "price-cost"),
    "prices",
)
"""Beginnings of the names of charts of which the first that there is stands on the first screen."""


def answer_items(scope: Scope) -> Iterator[Item]:
    """Yield the answer in words and numbers; of a study also the table of differences."""
    source = scope.source
    done = [run for run in source.runs if run.state == "finished"]
    if source.is_study and done:
        yield from study_items(source, done)
    elif done:
        yield seeds_lead(scope, done) if len(done) > 1 else single_lead(scope, done[0])
    else:
        states = ", ".join(dict.fromkeys(run.state for run in source.runs))
        yield Lead((f"{subject(source.runs)}: no run has finished yet ({states}).",))
