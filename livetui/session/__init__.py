"""The engine that joins the rooms, the record of what happened, and the events for the front ends."""
