"""FAMR on a vision transformer."""
