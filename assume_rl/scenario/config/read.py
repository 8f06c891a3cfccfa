"""Read `config.yaml`: one study case, with overrides, as a validated `StudyCase`."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from assume_rl.learning.algorithms.unread import unread_keys
from assume_rl.learning.config import LearningConfig
from assume_rl.scenario.config.cases import CONFIG_FILE, unknown_case
from assume_rl.scenario.config.mechanisms import reads_blocks
from assume_rl.scenario.config.overrides import override_setting
from assume_rl.scenario.config.schema import UNREAD_KEYS, StudyCase
from assume_rl.scenario.found_plugins import is_file
from assume_rl.scenario.problems import Location, Problems, explain

UNREAD_SETTINGS = frozenset({"outputs_buffer_size_mb", "forecast_save_file"})
"""Keys of a study case that nothing reads."""


def case_settings(
    cases: Mapping[str, Any],
    folder: Path,
    case: str | None,
    overrides: Mapping[str, Any],
    problems: Problems,
) -> tuple[str, dict[str, Any]]:
    """Return name and settings of one study case, as they are written but for overrides and paths.

    :param cases: settings of all study cases of the folder by name
    :param folder: of the scenario; relative paths are relative to it
    :param case: name; None: the first one
    :param overrides: replacements of settings by dotted key (`learning_config.gamma`)
    :param problems: takes overrides that lead nowhere
    :raises ScenarioError: there is no such study case, or it is no mapping
    """
    name = next(iter(cases)) if case is None else case
    if name not in cases:
        problems.error(CONFIG_FILE, unknown_case(name, cases))
        problems.check()
    settings = cases[name]
    if not isinstance(settings, dict):
        problems.error(f"{CONFIG_FILE}, {name}", "must be a mapping of settings")
        problems.check()
    settings = _drop_unread(settings, f"{CONFIG_FILE}, {name}", problems)
    for key, value in overrides.items():
        settings = override_setting(settings, key, value, problems)
    return name, with_paths(settings, lambda path: _below(folder, path))


def named_plugins(settings: Mapping[str, Any]) -> list[str]:
    """Return the plug-ins that settings name; none where the key is refused later."""
    found = settings.get("plugins")
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def _drop_unread(settings: Any, where: str, problems: Problems) -> Any:
    """Return `settings` without keys that public folders have although nothing reads them.

    Parameters of a mechanism are kept, since a mechanism may define any name.
    """
    if isinstance(settings, list):
        return [_drop_unread(v, f"{where}.{i}", problems) for i, v in enumerate(settings)]
    if not isinstance(settings, dict):
        return settings
    for key in UNREAD_KEYS & settings.keys():
        problems.warn(f"{where}.{key}", "nothing reads this key")
    kept = {k: v for k, v in settings.items() if k not in UNREAD_KEYS}
    return {
        k: v if k == "param_dict" else _drop_unread(v, f"{where}.{k}", problems)
        for k, v in kept.items()
    }


def with_paths(settings: Any, change: Callable[[Path], Path], key: str = "") -> Any:
    """Return settings with other paths, as text.

    Paths are those of keys that end in `_path`, policies, and plug-ins that are files.

    :param settings: nested mappings and lists
    :param change: returns what stands for a path
    :param key: of the settings
    """
    if isinstance(settings, Mapping):
        inside = "_path" if key == "policies" else ""
        return {k: with_paths(v, change, inside or str(k)) for k, v in settings.items()}
    if isinstance(settings, list):
        return [with_paths(value, change, key) for value in settings]
    is_path = isinstance(settings, str | Path) and (
        key.endswith("_path") or (key == "plugins" and is_file(str(settings)))
    )
    return str(change(Path(settings))) if is_path else settings


def _below(folder: Path, path: Path) -> Path:
    return path if path.is_relative_to(folder) else folder / path


def study_case(settings: dict[str, Any], case: str, problems: Problems) -> StudyCase:
    """Return the validated settings of a study case; unit kinds and bidders must be registered.

    :param settings: the result of `case_settings`
    :param case: name
    :param problems: takes every problem of the configuration
    :raises ScenarioError: the settings cannot be used
    """
    if "learning_mode" in settings:
        problems.error(
            f"{CONFIG_FILE}, {case}.learning_mode", "belongs into the section learning_config"
        )
        settings = {k: v for k, v in settings.items() if k != "learning_mode"}
    config = _repaired(settings, case, problems)
    if config is None:
        problems.check()
        raise AssertionError("a study case is refused with at least one problem")
    written = settings.get("learning_config")
    for where, what in _without_effect(config, written if isinstance(written, dict) else {}):
        problems.warn(f"{CONFIG_FILE}, {case}.{where}", what)
    return config


def _repaired(
    settings: Any, case: str, problems: Problems, follow_up: bool = False
) -> StudyCase | None:
    """Return the study case; if parts are refused, the study case without them.

    The noted problems refuse the scenario, but its tables can be checked in the same call. None if
    too little is left for that.
    """
    try:
        return StudyCase.model_validate(settings)
    except ValidationError as error:
        rest = settings
        for kind, location, sentence in explain(error, StudyCase):
            # A part that was left out here must not be reported as missing.
            if not (follow_up and kind in ("missing", "too_short")):
                problems.error(_where(location, case), sentence)
            part = location[:-1] if kind == "missing" else location
            rest = _without(rest, part) if part else {}
    if not rest or rest == settings:
        return None
    return _repaired(rest, case, problems, follow_up=True)


def _without(node: Any, location: Location) -> Any:
    """Return `node` without the part at `location`."""
    head, *rest = location
    if isinstance(node, list) and isinstance(head, int) and head < len(node):
        tail = [_without(node[head], tuple(rest))] if rest else []
        return [*node[:head], *tail, *node[head + 1 :]]
    if not isinstance(node, dict) or head not in node:
        return node
    if rest:
        return {**node, head: _without(node[head], tuple(rest))}
    return {key: value for key, value in node.items() if key != head}


def _where(location: Location, case: str) -> str:
    key = ".".join(map(str, location))
    return f"{CONFIG_FILE}, {case}.{key}" if key else f"{CONFIG_FILE}, {case}"


def _without_effect(config: StudyCase, learning: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield key and sentence of settings that are valid but that nothing reads.

    :param config: the study case
    :param learning: its `learning_config` as it is written
    """
    unread = UNREAD_SETTINGS & config.model_fields_set
    yield from ((key, "nothing reads this key") for key in sorted(unread))
    if config.save_forecasts:
        yield "save_forecasts", "not supported yet: forecasts are not saved"
    if config.learning_config is not None:
        yield from _unread_learning(config.learning_config)
        yield from _unread_by_algorithm(config.learning_config, learning)
    for name, market in config.markets_config.items():
        fields = {"max_gradient", "supports_get_unmatched"}
        if not reads_blocks(market.market_mechanism):
            fields.add("additional_fields")
        for key in sorted(fields & market.model_fields_set):
            if getattr(market, key):
                yield f"markets_config.{name}.{key}", "no supported market reads this key"


def _unread_learning(config: LearningConfig) -> Iterator[tuple[str, str]]:
    """Yield key and sentence of learning settings that a study case cannot change."""
    if config.evaluation_mode:
        yield "learning_config.evaluation_mode", "nothing reads this key in a study case"
    if "min_bid_price" in config.model_fields_set and config.min_bid_price != -config.max_bid_price:
        bounds = f"[{-config.max_bid_price:g}, {config.max_bid_price:g}]"
        yield (
            "learning_config.min_bid_price",
            f"nothing reads this key: learned bids lie in {bounds}, by max_bid_price",
        )


def _unread_by_algorithm(
    config: LearningConfig, learning: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """Yield one sentence on all keys that the chosen algorithm does not read, if there are any."""
    unread = sorted(unread_keys(config) & learning.keys())
    if unread:
        yield "learning_config", f"without effect here with {config.algorithm}: {', '.join(unread)}"
