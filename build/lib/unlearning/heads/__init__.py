"""Networks whose last layer alone is fitted: to its one optimum, which follows from the data."""
