"""What the boot raises on purpose."""


class BootError(Exception):
    """The cluster or an image can not be made; the message is one line with the way out."""
