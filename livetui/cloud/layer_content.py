"""Addresses of layer contents that work as AWS's pre-signed ones do: for whoever was told one, and for nobody else.

By itself ministack names a plain-HTTP address below `/_ministack/`, which is shut to everybody (`guard.py`).
"""

from __future__ import annotations

import hashlib
import hmac
import importlib
import re
import secrets
from collections.abc import Callable
from typing import Any

_KEY = secrets.token_bytes(32)
_SIGNED = re.compile(r"(/_ministack/lambda-layers/.+/content)/([0-9a-f]{64})")


def install() -> None:
    """Have `GetLayerVersion` and the like tell signed addresses, in this process."""
    service: Any = importlib.import_module("ministack.services.lambda_svc")
    plain: Callable[[str, int], str] = service._layer_content_url

    def signed_url(name: str, version: int) -> str:
        authority, _, path = plain(name, version).removeprefix("http://").partition("/")
        return f"https://{authority}/{path}/{_signature(f'/{path}')}"

    service._layer_content_url = signed_url


def _signature(path: str) -> str:
    return hmac.new(_KEY, path.encode(), hashlib.sha256).hexdigest()


def is_signed(path: str) -> bool:
    """Whether this process told this address."""
    found = _SIGNED.fullmatch(path)
    return found is not None and hmac.compare_digest(_signature(found[1]), found[2])
