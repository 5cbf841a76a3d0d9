"""Records the AWS calls that a handler makes with botocore. Runs in the user's interpreter: stdlib only, 3.9+."""


def watch(send: object) -> None:
    """Report each call of every client through `send`, once botocore is imported."""
