"""Write the signatures of what `import assume_rl` offers to public-api.txt, or check that file.

A change of it is a change of the public interface: what breaks users' code stands in CHANGELOG.md.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import griffe

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "public-api.txt"


def signatures() -> str:
    """Return a line per public name, method and attribute."""
    package = griffe.load("assume_rl", search_paths=[ROOT], resolve_aliases=True)
    lines = []
    for name, found in sorted(package["_public"].members.items()):
        own = found.final_target if isinstance(found, griffe.Alias) else found
        lines += _lines(name, own)
    return "\n".join(lines) + "\n"


def _lines(name: str, own: griffe.Object | griffe.Alias) -> Iterator[str]:
    if own.is_function:
        yield _function(name, own)
        return
    if not own.is_class:
        yield f"{name}: {own.annotation}"
        return
    yield f"class {name}({', '.join(str(base) for base in own.bases)})"
    for member, found in own.members.items():
        if member.startswith("_") and member != "__init__":
            continue
        if found.is_function:
            yield f"    {_function(member, found)}"
        elif found.is_attribute:
            yield f"    {_attribute(member, found)}"


def _attribute(name: str, own: griffe.Object | griffe.Alias) -> str:
    if own.annotation is None:
        return name
    default = "" if own.value is None else f" = {own.value}"
    return f"{name}: {own.annotation}{default}"


def _function(name: str, own: griffe.Object | griffe.Alias) -> str:
    parameters = [parameter for parameter in own.parameters if parameter.name != "self"]
    return f"{name}({', '.join(_parameter(one) for one in parameters)}) -> {own.returns}"


def _parameter(own: griffe.Parameter) -> str:
    star = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}
    kind = "keyword " if own.kind is griffe.ParameterKind.keyword_only else ""
    default = "" if own.default is None or own.kind in star else f" = {own.default}"
    return f"{kind}{star.get(own.kind, '')}{own.name}: {own.annotation}{default}"


def main() -> int:
    """Write the file, or with `--check` return 1 where it is not what it should be."""
    found = signatures()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(found)
        return 0
    before = PAGE.read_text().splitlines()
    now = found.splitlines()
    gone = [line for line in before if line not in now]
    new = [line for line in now if line not in before]
    for sign, lines in (("-", gone), ("+", new)):
        for line in lines:
            sys.stdout.write(f"{sign} {line.strip()}\n")
    if before != now:
        sys.stdout.write(
            "the public interface has changed: run python docs/public_api.py, and say in "
            "CHANGELOG.md what breaks\n"
        )
    return int(before != now)


if __name__ == "__main__":
    sys.exit(main())
