"""Memory that data take which are too many for it."""
