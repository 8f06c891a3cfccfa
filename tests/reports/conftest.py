"""What the tests of reports share."""

from collections.abc import Callable

import pytest

from assume_rl.reports.topics.registry import TOPICS


@pytest.fixture
def only_topics(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets reports have these topics only, which takes a part of the time."""

    def choose(*names: str) -> None:
        for name in TOPICS.keys() - {*names}:
            monkeypatch.delitem(TOPICS, name)

    return choose
