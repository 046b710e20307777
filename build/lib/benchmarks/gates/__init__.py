"""The operating table of the gates."""
