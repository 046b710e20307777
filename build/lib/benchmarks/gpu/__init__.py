"""All that waits for a GPU, as one command that goes on where it was cut off."""
