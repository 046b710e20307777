"""The remote: how DVC reaches it, and whose it is."""
