"""Database URLs without their passwords, as messages, pages and files have them."""

import re
from urllib.parse import quote_plus

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

HIDDEN = "***"
"""What stands for a password."""

SECRET = re.compile(r"pass(?!file)|pwd|secret|token|credential|odbc_connect", re.IGNORECASE)
"""Keys of a URL's query whose values are passwords, or have one in them."""

INNER = re.compile(r"(?:pwd|password)=([^;]+)", re.IGNORECASE)
"""The password in a value that is a connection string itself."""

LOGIN = re.compile(r"((?:[^:/]*://)?+[^:?]*[:?]).+", re.DOTALL)
"""Text that is meant to be a URL, and its part before all that may belong to a password."""

WRITTEN = re.compile(r"[\w+]+://\S+")
"""A URL in a sentence."""


def without_secrets(url: sa.URL) -> sa.URL:
    """Return a URL with `HIDDEN` for each password, wherever it is written."""
    hidden = {key: HIDDEN for key in url.query if SECRET.search(key)}
    shown = url.update_query_dict(hidden)
    return shown if url.password is None else shown.set(password=HIDDEN)


def shown_url(url: sa.URL) -> str:
    """Return a URL as messages name it.

    >>> shown_url(sa.make_url("postgresql://me:dont@host/db?sslpassword=tell"))
    'postgresql://me:***@host/db?sslpassword=***'
    """
    return without_secrets(url).render_as_string(hide_password=False).replace("%2A", "*")


def shown_place(place: str) -> str:
    """Return a folder or a URL as messages name it, even if it can be neither.

    >>> shown_place("postgresql://me:dont@tell@host/db")
    'postgresql://me:***'
    """
    if "://" not in place and "@" not in place:
        return place
    try:
        url = sa.make_url(place)
        if "@" not in f"{url.host}{url.database}":  # a part of the password
            return shown_url(url)
    except (ArgumentError, ValueError):
        pass
    return LOGIN.sub(rf"\1{HIDDEN}", place)


def without_passwords(url: sa.URL, sentence: str) -> str:
    """Return a sentence on a database with `HIDDEN` for each password, however it is written."""
    for secret in secrets_of(url):
        sentence = sentence.replace(secret, HIDDEN)
    return WRITTEN.sub(lambda found: shown_place(found[0]), sentence)


def secrets_of(url: sa.URL) -> list[str]:
    """Return the passwords in a URL, as texts that a message must not have; the longest first."""
    found = [str(url.password)] if url.password is not None else []
    for key, value in url.query.items():
        if SECRET.search(key):
            found += [value] if isinstance(value, str) else list(value)
    found += [inner for text in found for inner in INNER.findall(text)]
    found += [quote_plus(text) for text in found]  # as the URL has them
    return sorted(filter(None, found), key=len, reverse=True)


def is_whole(url: sa.URL) -> bool:
    """Return whether a URL has all that it had before its passwords were hidden."""
    return HIDDEN not in secrets_of(url)
