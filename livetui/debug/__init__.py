"""Breakpoints: livetui is the debug adapter between workers, editors and the console (see docs/debugging.md)."""
