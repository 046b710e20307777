"""What single papers ask of their method beside the comparison, on an over-fitted small network."""
