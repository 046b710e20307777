"""Class forgetting in image generators: who forgets, what the rest is worth, what comes back."""
