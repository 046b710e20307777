"""What FAMR's method and its theory are made of."""
