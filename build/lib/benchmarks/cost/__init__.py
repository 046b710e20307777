"""What Lethe costs in seconds and memory."""
