"""Ways of training a shadow bank on one machine."""
