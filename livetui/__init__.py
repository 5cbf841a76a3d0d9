"""livetui: live Lambda development for Python, in the terminal."""

__version__ = "0.1.0"
