"""Patterns of paths: `*` stands for one segment or a part of it, `**` for any number of them."""

import re

_LONGEST = 2048


def path_regex(pattern: str) -> str:
    """The regular expression (RE2) that fits the paths a pattern means, from end to end."""
    parts = re.split(r"(\*\*|\*)", pattern[:_LONGEST])
    return "^" + "".join(_WILDCARDS.get(part) or re.escape(part) for part in parts) + "$"


# Not `(?s:.*)`: RE2 takes ten times as long for that.
_WILDCARDS = {"*": "[^/]+", "**": r"(?:.|\n)*"}
