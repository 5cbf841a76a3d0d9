"""The console: a Textual front end over one session."""

import os

if "TEXTUAL_FPS" not in os.environ:
    # A key's frame waits for the next of these moments: at Textual's 60 a second, 8 ms that nobody needs to wait.
    os.environ["TEXTUAL_FPS"] = "120"
    import textual.constants as _read  # noqa: F401  (reads it once)

    del os.environ["TEXTUAL_FPS"]
