"""Which of a function's routes a request takes, as an HTTP API of API Gateway would choose it.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

_VARIABLE = re.compile(r"\{([^{}+]+)(\+?)\}")


def choose(method: str, path: str, routes: Iterable[str]) -> tuple[str, dict[str, str]] | None:
    """The route key and the path's parameters, decoded; None when no route but `$default` fits.

    `path` as it is in the URL. Exact segments win over variables, those over greedy ones, a method over `ANY`.
    """
    fitting: list[tuple[tuple[bool, int, bool], str, dict[str, str]]] = []
    for key in routes:
        wanted, _, template = key.partition(" ")
        found = re.fullmatch(_pattern(template), path) if template and wanted in (method, "ANY") else None
        if found is None:
            continue
        variables = _VARIABLE.findall(template)
        values = {name: unquote(value) for (name, _), value in zip(variables, found.groups(), strict=True)}
        rank = (any(greedy for _, greedy in variables), len(variables), wanted == "ANY")
        fitting.append((rank, key, values))
    if not fitting:
        return None
    _, key, values = min(fitting, key=lambda each: each[0])
    return key, values


def _pattern(template: str) -> str:
    pattern, end = "", 0
    for found in _VARIABLE.finditer(template):
        pattern += re.escape(template[end:found.start()]) + ("(.+)" if found[2] else "([^/]+)")
        end = found.end()
    return pattern + re.escape(template[end:])
