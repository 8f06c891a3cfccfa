"""The first screen of runs, and what learning curves compare with, worked out by hand."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hand_made_run import DEAR, GAP, write_run

from assume_rl.reports.report import report, report_sections
from assume_rl.reports.source.opening import open_source
from assume_rl.reports.style import text
from assume_rl.reports.topics.answer.single import equilibrium_sentence, unsaid_markets
from assume_rl.reports.topics.base import Market, Scope, Topic
from assume_rl.reports.topics.learning import AT_COST, BEST, levels
from assume_rl.reports.topics.registry import TOPICS
from assume_rl.reports.types import Chart, Grid, Item, Lead

pytestmark = pytest.mark.unchecked

Choose = Callable[..., None]
SCORES = {"reward": 4.0, "profit": 1_600.0, **GAP}


def first_screen(folder: Path) -> tuple[Lead, Chart]:
    lead, figure = report_sections(open_source(folder))[0].items
    assert isinstance(lead, Lead)
    assert isinstance(figure, Chart)
    return lead, figure


def test_a_training_is_held_against_the_best_response_and_bids_at_cost(tmp_path: Path) -> None:
    lead, figure = first_screen(write_run(tmp_path / "run", evaluation=SCORES))
    # at cost the dear plant sets the price wherever it sells, and earns nothing
    assert lead.sentences[0] == (
        f"{DEAR} earned 1,600 EUR in the last evaluation, 1,600 EUR more than bids at marginal "
        "cost (0 EUR); the exact best response would earn 2,100 EUR, and 75.00% of its reward was "
        "reached."
    )
    assert "3 training episodes, 1 learned bidder" in lead.sentences[1]
    assert figure.name == "profit-in evaluations"
    lines = {t.name: list(t.y) for t in figure.figure.data}
    assert (lines[BEST], lines[AT_COST]) == ([2_100, 2_100], [0, 0])


def test_prices_are_held_against_the_cost_of_the_unit_that_sets_them(
    tmp_path: Path, only_topics: Choose
) -> None:
    only_topics("learning")
    lead, _ = first_screen(write_run(tmp_path / "run", evaluation=SCORES))
    # prices 10, 70, 90; mark-ups 0, 20, 40; at cost 10, 50, 50 EUR/MWh
    assert lead.sentences[2] == (
        "EOM: mean price 56.67 EUR/MWh, in 67% of deliveries above the cost of the unit that sets "
        "it, by 20.00 EUR/MWh in the mean of all; offers at cost would have cleared at 36.67 "
        "EUR/MWh."
    )
    assert "another seed" in lead.sentences[-1]


@pytest.mark.parametrize(
    ("figures", "sentence"),
    [
        ({"nash_conv[EOM]": 0.0}, "No learner could gain alone: the bids are an equilibrium."),
        (
            {"nash_conv[EOM]": 0.0, "nash_conv_error[EOM]": 9.0},
            "No learner was found to gain alone (NashConv of 0, an estimate that may be 9 EUR too "
            "low): no sure equilibrium.",
        ),
        (
            {"nash_conv[A]": 3.0, "nash_conv[B]": 2.0, "exploitability[A]": 3.0},
            "It is no equilibrium yet: alone, learners could still gain 5 EUR in the sum "
            "(NashConv), the one with most to gain 3 EUR.",
        ),
        (
            {"nash_conv[A]": 5.0, "exploitability[A]": 3.0, "nash_conv_error[A]": 1.0},
            "It is no equilibrium yet: alone, learners could still gain 5 EUR in the sum "
            "(NashConv, an estimate that may be 1 EUR too low), the one with most to gain 3 EUR.",
        ),
        ({"nash_conv_share[EOM]": 0.1}, ""),
    ],
)
def test_an_equilibrium_is_claimed_of_exact_figures_only(
    figures: dict[str, float], sentence: str
) -> None:
    assert "".join(equilibrium_sentence(figures)) == sentence


def test_market_power_is_said_to_be_of_energy_where_there_is_reserve_too() -> None:
    assert list(unsaid_markets(["EOM"], [])) == []
    assert list(unsaid_markets([], ["CRM_pos"])) == []
    assert list(unsaid_markets(["EOM"], ["CRM_pos"])) == [
        "Who could move prices of reserve (CRM_pos) is not known: figures of market power are of "
        "energy (EOM)."
    ]
    assert list(unsaid_markets(["A", "B", "C"], [])) == ["For C see the section on market power."]


def test_several_seeds_have_an_interval(tmp_path: Path, only_topics: Choose) -> None:
    only_topics("learning")
    for seed, profit in ((1, 1_000.0), (2, 2_000.0), (3, 3_000.0)):
        scores = {**SCORES, "profit": profit}
        write_run(
            tmp_path / f"seed_{seed}", simulation=f"toy_seed_{seed}", seed=seed, evaluation=scores
        )
    lead, _ = first_screen(tmp_path)
    assert lead.sentences[0].startswith("Profit: 2,000 EUR (interquartile mean over 3 runs), 95 %")
    assert "lowest 1,000, highest 3,000" in lead.sentences[0]
    assert [fact.value for fact in lead.facts] == ["1,000", "2,000", "3,000"]
    assert "fewer than five runs" in lead.sentences[-1]


def test_under_pay_as_bid_bids_at_cost_are_no_yardstick(tmp_path: Path) -> None:
    source = open_source(write_run(tmp_path / "run", as_bid=True, evaluation=SCORES))
    scope = Scope(source, tuple(Market(r) for r in source.recorded))
    assert [level.name for level in levels(scope, "")] == [BEST]


def test_the_figure_of_the_answer_is_drawn_once(tmp_path: Path) -> None:
    sections = report_sections(open_source(write_run(tmp_path / "run", evaluation=SCORES)))
    names = [i.name for section in sections for i in section.items if isinstance(i, Chart)]
    assert len(set(names)) == len(names)


def test_bids_through_time_stand_beside_cost_and_price(tmp_path: Path, only_topics: Choose) -> None:
    only_topics("bids", "prices")
    sections = report_sections(open_source(write_run(tmp_path / "run")))
    items = [item for section in sections for item in section.items]
    figure = next(i for i in items if i.title == f"Bids of {DEAR} through time")
    assert isinstance(figure, Chart)
    lines = {t.name: list(t.y) for t in figure.figure.data}
    assert lines["asks for"] == [50, 70, 90]
    assert lines["marginal cost"] == [50, 50, 50]
    assert lines["price"] == [10, 70, 90]


def test_the_unit_that_sets_the_price_has_a_row(tmp_path: Path, only_topics: Choose) -> None:
    only_topics("market power")
    sections = report_sections(open_source(write_run(tmp_path / "run")))
    items = [item for section in sections for item in section.items]
    grid = next(i for i in items if i.title == "Who sets the price, EOM")
    assert isinstance(grid, Grid)
    dear, cheap, every = grid.rows
    # mark-ups of 20 at 70 and of 40 at 90 EUR/MWh
    assert dear[:3] == (DEAR, "gas", "other")
    assert dear[3:] == pytest.approx((200 / 3, 30, 40, (20 / 70 + 40 / 90) / 2))
    assert cheap[3:] == pytest.approx((100 / 3, 0, 0, 0))
    assert every[3:] == pytest.approx((100, 20, 40, (20 / 70 + 40 / 90) / 3))


def test_a_new_topic_is_a_line_of_the_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sellers(market: Market) -> Iterator[Item]:
        yield Grid("Who <sells>", ("unit",), [(unit,) for unit in market.units["unit"]])

    monkeypatch.setitem(TOPICS, "sellers", Topic("Sellers", of_market=sellers))
    page = report(write_run(tmp_path / "run")).read_text(encoding="utf-8")
    assert "<h2>Sellers</h2>" in page
    assert "Who &lt;sells&gt;" in page
    assert f"<td>{text(DEAR).replace(chr(39), '&#39;')}</td>" in page
