"""What `lethe serve` adds to the computing: from an event to a run, and where a run's time goes."""
