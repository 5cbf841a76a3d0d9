"""`python -m livetui`."""

from livetui.cli import main

main()
