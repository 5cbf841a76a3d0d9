"""Runs the user's handlers on this machine as Lambda would."""
