"""The console: a Textual front end over one session."""
