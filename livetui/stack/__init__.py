"""From the template that a team has to a deployed live stack, and back."""
