"""Pages of the repository outside of `docs/`, and links between the two."""

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
_FENCE = re.compile(r"(^```.*?^```)", flags=re.MULTILINE | re.DOTALL)


def outside_pages() -> dict[str, str]:
    """File of the repository -> page of the site."""
    pages = {
        "README.md": "index.md",  # the site has a front page of its own
        "CHANGELOG.md": "changelog.md",
        "CONTRIBUTING.md": "contributing.md",
        "benchmarks/README.md": "benchmarks.md",
    }
    for readme in sorted(ROOT.glob("scenarios/*/README.md")):
        pages[f"scenarios/{readme.parent.name}/README.md"] = f"scenarios/{readme.parent.name}.md"
    for readme in sorted(ROOT.glob("examples/*/README.md")):
        pages[f"examples/{readme.parent.name}/README.md"] = f"examples/{readme.parent.name}.md"
    for example in sorted(ROOT.glob("examples/*.py")):
        pages[f"examples/{example.name}"] = f"examples/{example.stem}.md"
    return pages


def content(file: str) -> str:
    """Return a file of the repository as Markdown; Python is shown as code."""
    text = (ROOT / file).read_text(encoding="utf-8")
    if not file.endswith(".py"):
        return text
    return f"# {PurePosixPath(file).name}\n\n```python\n{text}```\n"


def pictures(pages: Iterable[str]) -> set[str]:
    """Files that pages of the repository outside of `docs/` show."""
    return {
        os.path.normpath(PurePosixPath(page).parent / address)
        for page in pages
        for mark, _, address in _LINK.findall(content(page))
        if mark and "://" not in address
    }


def relink(markdown: str, file: str, pages: dict[str, str]) -> str:
    """`markdown` of a file of the repository, with links to pages of the site.

    What is no page (a script, a table) is named instead of linked.

    :param pages: as `outside_pages` gives them
    """
    here = _page_of(file, pages)

    def link(match: re.Match[str]) -> str:
        mark, text, address = match.groups()
        path, _, anchor = address.partition("#")
        if "://" in address or not path:
            return match[0]
        named = os.path.normpath(PurePosixPath(file).parent / path)
        target = named.removeprefix("docs/") if mark else _page_of(named, pages)
        if target is None:
            return text
        place = os.path.relpath(target, PurePosixPath(here or "").parent)
        return f"{mark}[{text}]({place}{'#' + anchor if anchor else ''})"

    parts = _FENCE.split(markdown)
    parts[::2] = [_LINK.sub(link, part) for part in parts[::2]]
    return "".join(parts)


def _page_of(file: str, pages: dict[str, str]) -> str | None:
    """Return the page that shows a file of the repository, as a path in `docs/`."""
    if file.startswith("docs/"):
        return file.removeprefix("docs/")
    return pages.get(file)
