"""Large events and answers in the bootstrap bucket. Blocking; call it off the loop."""

from __future__ import annotations

from typing import Any

from livetui.aws import Aws
from stub_runtime.wire import MAX_BODY


class PayloadError(Exception):
    """An object could not be put or got; the text says why."""


class Bucket:
    """Sealed objects under `payloads/`. What was consumed is deleted; a lifecycle rule deletes the rest."""

    def __init__(self, aws: Aws, bucket: str) -> None:
        self._s3: Any = aws.client("s3")
        self._bucket = bucket

    def put(self, key: str, content: bytes) -> None:
        """Store an object. Raises `PayloadError`."""
        self._tried(lambda: self._s3.put_object(Bucket=self._bucket, Key=key, Body=content))

    def get(self, key: str) -> bytes:
        """The content of an object, at most 16 MiB. Raises `PayloadError`."""
        content: bytes = self._tried(
            lambda: self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read(MAX_BODY))
        return content

    def delete(self, key: str) -> None:
        """Delete an object that was consumed. Raises `PayloadError`."""
        self._tried(lambda: self._s3.delete_object(Bucket=self._bucket, Key=key))

    @staticmethod
    def _tried(operation: Any) -> Any:
        import botocore.exceptions

        try:
            return operation()
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, OSError) as error:
            raise PayloadError(f"{type(error).__name__}: {error}") from error
