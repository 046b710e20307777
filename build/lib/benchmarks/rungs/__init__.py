"""What each rung of a ladder costs and what the gates say of it."""
