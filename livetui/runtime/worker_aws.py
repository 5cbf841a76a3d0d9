"""Records the AWS calls that a handler makes with botocore. Runs in the user's interpreter: stdlib only, 3.9+."""


def watch(send):
    """Report each call of every client through `send`, once botocore is imported."""
