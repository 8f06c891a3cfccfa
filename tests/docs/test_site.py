"""The site: it builds without a warning, needs nothing from outside, and leaves nothing out."""

import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import assume_rl
from assume_rl.results.study_tables import study_metadata
from assume_rl.results.tables import metadata

pytestmark = pytest.mark.unchecked

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def generate(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """The modules that write the pages which are not in `docs/`."""
    monkeypatch.syspath_prepend(ROOT / "docs" / "generate")
    import reference
    import repository

    yield {"reference": reference, "repository": repository}
    for name in ("reference", "repository"):
        sys.modules.pop(name)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason="needs the extra 'docs'")
    place = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        patch.chdir(ROOT)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of mkdocs itself
            from mkdocs.commands.build import build
            from mkdocs.config import load_config

            build(load_config(strict=True, site_dir=str(place)))  # raises where --strict would
    for name in ("reference", "repository"):
        sys.modules.pop(name)
    return place


@pytest.mark.slow  # all pages are made
def test_the_site_loads_nothing_from_outside(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert site / "tutorial.html" in pages
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r"<(?:script|img|iframe)[^>]+src=\"(?:https?:)?//[^\"]*", text), page
        assert not re.findall(r"<link[^>]+href=\"(?:https?:)?//[^\"]*", text), page


@pytest.mark.slow  # all pages are made
def test_every_link_of_the_site_leads_to_a_page(site: Path) -> None:
    for page in site.rglob("*.html"):
        for link in re.findall(r"href=\"([^\"#?]+)", page.read_text(encoding="utf-8")):
            if "://" not in link and page.name != "404.html":
                assert (page.parent / link).exists(), f"{page.relative_to(site)}: {link}"


@pytest.mark.slow  # all pages are made
def test_every_public_name_has_its_entry(site: Path) -> None:
    text = (site / "reference" / "python.html").read_text(encoding="utf-8")
    assert [name for name in assume_rl.__all__ if f'id="assume_rl.{name}"' not in text] == []


def test_every_command_with_its_options(generate: dict[str, ModuleType]) -> None:
    page = generate["reference"].command_line()
    for text in ("## `assume-rl train`", "`--seeds N`", "## `assume-rl batch`", "`--dry-run`"):
        assert text in page
    assert "policies.&lt;unit>=" in page  # in a text, it would be HTML


def test_every_key_with_type_default_and_meaning(generate: dict[str, ModuleType]) -> None:
    page = generate["reference"].settings()
    assert "| `time_step` | duration | required | Length of a step. |" in page
    assert "| `gamma` | number | `0.99` | Discount per transition. |" in page
    assert "| `seeds` | whole number or list of whole numbers | `1` | How many seeds" in page


def test_every_table_with_its_columns(generate: dict[str, ModuleType]) -> None:
    page = generate["reference"].tables()
    for table in (*metadata().tables.values(), *study_metadata().tables.values()):
        assert f"### {table.name}\n" in page
        for column in table.columns:
            assert f"| `{column.name}` | " in page


def test_links_to_files_beside_docs_lead_to_their_pages(generate: dict[str, ModuleType]) -> None:
    pages = {"scenarios/a/README.md": "scenarios/a.md", "README.md": "index.md"}
    text = (
        "[a](../../scenarios/a/README.md#b) [home](../../README.md) [tool](../../tests/x.py) "
        "[c](../c.md)\n```\n[a](../../README.md)\n```\n"
    )
    assert generate["repository"].relink(text, "docs/how-to/x.md", pages) == (
        "[a](../scenarios/a.md#b) [home](../index.md) tool [c](../c.md)\n"
        "```\n[a](../../README.md)\n```\n"
    )
    assert (
        generate["repository"].relink("[d](../../docs/d.md)", "scenarios/a/README.md", pages)
        == "[d](../d.md)"
    )


@pytest.mark.slow  # all pages are made
def test_pictures_of_files_beside_docs_are_on_the_site(
    site: Path, generate: dict[str, ModuleType]
) -> None:
    shown = generate["repository"].pictures(["examples/market_design/README.md"])
    assert shown == {"examples/market_design/designs.png"}
    for picture in shown:
        assert (site / picture).read_bytes() == (ROOT / picture).read_bytes()
    page = (site / "examples" / "market_design.html").read_text(encoding="utf-8")
    assert 'src="market_design/designs.png"' in page
