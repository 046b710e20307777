"""What a person decides on versions of the model: that one must never serve, or serves again."""
