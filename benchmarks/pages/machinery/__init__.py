"""What the machinery bears: alterations and kills, many requests at once, large numbers."""
