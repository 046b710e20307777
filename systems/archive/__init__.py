"""A workspace as one sealed file, and out of it again."""
