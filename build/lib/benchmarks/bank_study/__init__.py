"""How large a shadow bank must be, and what a shadow should see."""
