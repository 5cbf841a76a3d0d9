"""The screens: the main one, and the questions above it."""
