"""Large events and answers through the bootstrap bucket, as sealed objects."""

from __future__ import annotations

import os
import threading
from _queue import Empty, SimpleQueue  # as in connection.py
from typing import Any

from stub_runtime.wire import MAX_BODY


class Payloads:
    """The bucket as one function may use it. botocore is imported with the first large payload only."""

    def __init__(self, bucket: str, region: str) -> None:
        self.bucket = bucket
        self.region = region
        self._client: Any = None
        self._deletions: list[threading.Thread] = []

    def store(self, key: str, content: bytes, seconds: float) -> str | None:
        """Put an object; the failure in words, or an empty string. None when it takes longer than `seconds`."""
        found = self._within(seconds, lambda s3: s3.put_object(Bucket=self.bucket, Key=key, Body=content))
        return None if found is None else found[1]

    def fetch(self, key: str, seconds: float) -> tuple[bytes, str] | None:
        """Get an object and delete it in the background: (content, failure). None when it takes longer."""
        def read(s3: Any) -> bytes:
            content: bytes = s3.get_object(Bucket=self.bucket, Key=key)["Body"].read(MAX_BODY)
            return content

        found = self._within(seconds, read)
        if found is None:
            return None
        content, failure = found
        if not failure:
            thread = threading.Thread(target=self._delete, args=(key,), name="livetui-delete")
            thread.start()
            self._deletions.append(thread)
        return content or b"", failure

    def settle(self) -> None:
        """Wait for deletions that are under way, before the container may be frozen."""
        while self._deletions:
            self._deletions.pop().join(1.0)

    def _delete(self, key: str) -> None:
        self._tried(lambda s3: s3.delete_object(Bucket=self.bucket, Key=key))

    def _within(self, seconds: float, operation: Any) -> tuple[Any, str] | None:
        """botocore tries for a minute; Lambda may end the call, and its environment with it, before that."""
        done: SimpleQueue[tuple[Any, str]] = SimpleQueue()
        threading.Thread(target=lambda: done.put(self._tried(operation)), name="livetui-s3", daemon=True).start()
        try:
            return done.get(timeout=max(0.0, seconds))
        except Empty:
            return None

    def _tried(self, operation: Any) -> tuple[Any, str]:
        import botocore.exceptions

        try:
            return operation(self._s3()), ""
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, OSError) as error:
            return None, f"{type(error).__name__}: {error}"

    def _s3(self) -> Any:
        if self._client is None:
            import botocore.session
            from botocore.config import Config

            local = "AWS_ENDPOINT_URL" in os.environ
            self._client = botocore.session.get_session().create_client(
                "s3", region_name=self.region,
                config=Config(connect_timeout=3, read_timeout=20, retries={"mode": "standard", "max_attempts": 3},
                              s3={"addressing_style": "path" if local else "auto"},
                              request_checksum_calculation="when_required",
                              response_checksum_validation="when_required"))
        return self._client
