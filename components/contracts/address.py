"""Addresses as they may be printed: a name and a password may stand before the host."""

import re

_LOGIN = re.compile(r"(?<=://)[^/?#\s]*@")
_PASSWORD = re.compile(r"(?<=://)([^/?#\s:@]*):[^/?#\s]*@")


def without_password(text: str) -> str:
    """Return a text in which every address has `***` in the place of the password that stands in it.

    >>> without_password("GET https://me:secret@host/api failed")
    'GET https://me:***@host/api failed'
    """
    return _PASSWORD.sub(r"\1:***@", text)


def without_login(address: str) -> str:
    """Return an address without the name and password that stand in it, such as for a link.

    >>> without_login("https://me:secret@host/api")
    'https://host/api'
    """
    return _LOGIN.sub("", address)
