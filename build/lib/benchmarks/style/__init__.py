"""Forgetting a style of coloured MNIST."""
