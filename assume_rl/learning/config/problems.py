"""Problems of settings, in sentences that name the keys."""

from collections.abc import Callable, Iterable
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails

from assume_rl.errors import nearest
from assume_rl.learning.config.schedules import FORMS


def problem_of(key: str, value: Any, sentence: str) -> InitErrorDetails:
    """Return a problem of a key as pydantic keeps it.

    :param key: of the setting
    :param value: that it has
    :param sentence: the problem
    """
    return InitErrorDetails(
        type="value_error", loc=(key,), input=value, ctx={"error": ValueError(sentence)}
    )


def checked(validate: Callable[[Any], Any], value: Any, problems: list[Any]) -> Any:
    """Return the settings as `validate` does; None, with additions to `problems`, if that fails.

    :param validate: makes settings of a value, or raises pydantic's error
    :param value: as it is in the file
    :param problems: list to append pydantic's errors to
    """
    try:
        return validate(value)
    except ValidationError as error:
        for found in error.errors(include_url=False):
            problems.append(_without_forms(found))
        return None


def _without_forms(found: Any) -> Any:
    """Return an entry of pydantic's errors without parts that are no user's keys, see `FORMS`."""
    kept = {key: found[key] for key in ("type", "loc", "input", "ctx") if key in found}
    forms = [FORMS[part] for part in found["loc"] if part in FORMS]
    kept["loc"] = tuple(part for part in found["loc"] if part not in FORMS)
    if forms and found["type"] == "extra_forbidden":
        sentence = f"unknown key, {nearest(str(found['loc'][-1]), forms[-1])}"
        return {**problem_of("", found["input"], sentence), "loc": kept["loc"]}
    return kept


def problem(error: Any, keys: Iterable[str]) -> str:
    """Return one sentence for one entry of pydantic's `ValidationError.errors()`.

    :param error: the entry
    :param keys: that are valid
    """
    key = ".".join(map(str, error["loc"]))
    where = f"learning_config.{key}" if key else "learning_config"
    if error["type"] == "extra_forbidden":
        return f"{where}: unknown key, {nearest(str(error['loc'][-1]), keys)}"
    return f"{where}: {error['msg'].removeprefix('Value error, ')}"
