"""A frozen backbone and its head: what downdating costs, and what the gates say of it."""
