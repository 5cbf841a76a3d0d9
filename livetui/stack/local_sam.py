"""SAM's transform of nested templates for the local cloud, which applies it to a root template only; AWS does both."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from livetui.errors import LivetuiError, UsageError


def expand(template: Mapping[str, Any], region: str) -> dict[str, Any]:
    """A SAM template, in long form, as the plain CloudFormation that AWS's own translator makes of it.

    Raises `UsageError` when the translator is not installed, `LivetuiError` when it refuses the template.
    """
    try:
        import boto3
        from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]
        from samtranslator.public.exceptions import InvalidDocumentException  # type: ignore[import-untyped]
        from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]
    except ImportError as error:
        raise UsageError("The SAM translator is not installed.", str(error),
                         "Install the local cloud: pip install 'livetui[local]'") from error
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=region))
    try:
        done: dict[str, Any] = translator.translate(dict(template), {})
    except InvalidDocumentException as error:
        causes = "; ".join(cause.message for cause in error.causes)
        raise LivetuiError("SAM refuses a nested template.", causes) from error
    return done
