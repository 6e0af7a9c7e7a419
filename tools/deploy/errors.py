"""The one exception of deploy: a sentence for people."""


class DeployError(Exception):
    """It cannot be done, or was not done to its end."""
