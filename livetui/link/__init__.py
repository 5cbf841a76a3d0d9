"""The MQTT link between this machine and the stubs: calls in, answers out."""
