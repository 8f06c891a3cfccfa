"""Read YAML strictly: scalars as in YAML 1.2, every key once, no bombs of aliases or nesting.

Plain scalars that YAML 1.1 and 1.2 read as different numbers, such as `042`, and tags, such as
`!!int`, are refused. Keys are text, as they are written; dates are text, too.
"""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from assume_rl.errors import ScenarioError
from assume_rl.scenario.text_file import UnreadableFile, read_text

MOST_NESTED = 50
"""Levels of lists and mappings in each other."""

MOST_ALIASED = 100_000
"""Values that all aliases (*) of a file stand for."""

MOST_SIGNS = 2_000_000
"""Length of a file."""

_TAG = "tag:yaml.org,2002:"
_UNCLEAR = "!unclear"
_SCALARS = {
    f"{_TAG}merge": ("<<", "<"),
    f"{_TAG}null": ("~|null|Null|NULL|", ["~", "n", "N", ""]),
    f"{_TAG}bool": ("true|True|TRUE|false|False|FALSE", "tTfF"),
    _UNCLEAR: ("[-+]?0[0-9]+", "-+0"),
    f"{_TAG}int": ("[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    f"{_TAG}float": (
        r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
}
"""Pattern and first letters of plain scalars that are no text; the first that fits counts."""

_REASONS = {
    "cannot start any token": "a sign that cannot stand there; quote text, indent by spaces",
    "mapping values are not allowed": "a colon that cannot stand there; quote text that has one",
    "undefined alias": "an alias (*) without its anchor (&)",
    "duplicate anchor": "the same anchor (&) twice",
    "another document": "a second document (---)",
    "but got '<stream end>'": "a bracket that is not closed",
    "unexpected end of stream": "a quotation mark that is not closed",
    "but found": "something else than YAML allows there; look at indents, brackets and quotes",
    "but got": "something else than YAML allows there; look at indents, brackets and quotes",
}
"""What is wrong, by a part of the parser's own sentence."""


class _RefusedError(yaml.error.MarkedYAMLError):
    """Something that YAML allows, but that is refused here."""


class _Loader(yaml.SafeLoader):
    """The loader of this module's rules."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (PyYAML's own)

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0
        self._aliased = 0
        self._sizes: dict[int, int] = {}  # values that a finished node stands for

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        mark = event.start_mark
        if getattr(event, "tag", None) is not None:
            tag = event.tag.replace(_TAG, "!!")
            what = f"a tag ({tag}) is not read: write the value alone, or text in quotes"
            raise _refused(what, mark)
        alias = self.check_event(yaml.events.AliasEvent)
        self._depth += 1
        if self._depth > MOST_NESTED:
            raise _refused(f"is nested more than {MOST_NESTED} levels deep", mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if not alias:
            if isinstance(node, MappingNode):
                self._refuse_twice(node)  # now, since merges add to what is written
            self._sizes[id(node)] = 1 + sum(self._sizes[id(part)] for part in _parts(node))
        elif id(node) not in self._sizes:
            raise _refused("an anchor (&) holds an alias (*) of itself", mark)
        else:
            self._aliased += self._sizes[id(node)]
        if self._aliased > MOST_ALIASED:
            raise _refused(f"aliases (*) stand for more than {MOST_ALIASED:,} values", mark)
        return node

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        self.flatten_mapping(node)
        return {k.value: self.construct_object(v, deep=deep) for k, v in node.value}

    def _refuse_twice(self, node: MappingNode) -> None:
        """Raise if two keys are written alike, or are the same value; later ones would win."""
        seen: dict[Hashable, str] = {}
        for key, _ in node.value:
            if not isinstance(key, ScalarNode):
                raise _refused("a key must be text, not a list or mapping", key.start_mark)
            if key.tag == f"{_TAG}merge":
                continue
            for name in {key.value, self._same(key)}:
                if name in seen:
                    same = "" if seen[name] == key.value else f", also as '{seen[name]}'"
                    what = f"the key '{key.value}' is written twice{same}"
                    raise _refused(what, key.start_mark)
            seen[key.value] = seen[self._same(key)] = key.value

    def _same(self, key: ScalarNode) -> Hashable:
        """Return a form that is equal for all spellings of a key that is not text."""
        if key.tag in (f"{_TAG}str", _UNCLEAR):
            return str(key.value)
        return (key.tag, str(self.construct_object(key)))

    def unclear(self, node: ScalarNode) -> Any:
        """Refuse a number with a leading zero."""
        text = node.value
        plain = text.lstrip("+-0") or "0"
        octal = f", or 0o{plain} for the octal number" if set(plain) <= set("01234567") else ""
        what = f"{text} is not clear: write {plain}{octal}, or '{text}' in quotes for text"
        raise _refused(what, node.start_mark)

    def whole(self, node: ScalarNode) -> int:
        """Return a whole number, decimal, octal or hexadecimal."""
        base = {"0o": 8, "0x": 16}.get(node.value[:2], 10)
        if len(node.value) > 100:
            raise _refused(f"a number with {len(node.value)} digits", node.start_mark)
        return int(node.value, base)


def _parts(node: Node | None) -> list[Node]:
    if isinstance(node, MappingNode):
        return [part for pair in node.value for part in pair]
    return [] if node is None or isinstance(node, ScalarNode) else node.value


def _refused(what: str, mark: Any) -> _RefusedError:
    return _RefusedError(problem=what, problem_mark=mark)


for _tag, (_pattern, _first) in _SCALARS.items():
    _Loader.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), list(_first))
_Loader.add_constructor(_UNCLEAR, _Loader.unclear)
_Loader.add_constructor(f"{_TAG}int", _Loader.whole)


def read_yaml(path: Path) -> Any:
    """Return the content of a file.

    :raises ScenarioError: it is not UTF-8 text or not valid YAML.
    """
    try:
        text = read_text(path)
    except UnreadableFile as error:
        raise ScenarioError(f"{path.name}: {error}") from None
    try:
        return _loaded(text)
    except yaml.YAMLError as error:
        raise ScenarioError(f"{path.name}: {_sentence(error)}") from None


def read_value(text: str) -> Any:
    """Return the value that `text` represents, e.g. the number 0.9 for "0.9".

    :raises ValueError: it is not valid YAML.
    """
    try:
        return _loaded(text)
    except yaml.YAMLError as error:
        shown = text if len(text) <= 60 else f"{text[:60]}..."
        if isinstance(error, _RefusedError):
            raise ValueError(str(error.problem)) from None
        raise ValueError(f"{shown!r} is not valid YAML") from None


def _loaded(text: str) -> Any:
    if len(text) > MOST_SIGNS:
        raise _refused(f"is longer than {MOST_SIGNS:,} signs", None)
    return yaml.load(text, Loader=_Loader)


def _sentence(error: yaml.YAMLError) -> str:
    """Return the problem and its place, in words of our own."""
    mark, problem = getattr(error, "problem_mark", None), str(getattr(error, "problem", ""))
    line = f" (line {mark.line + 1})" if mark else ""
    if isinstance(error, _RefusedError):
        return f"{problem}{line}"
    reason = next((reason for part, reason in _REASONS.items() if part in problem), None)
    if isinstance(error, yaml.reader.ReaderError):
        reason = "a sign that no text file should have"
    return f"is not valid YAML{f': {reason}' if reason else ''}{line}"
