"""Settings for the methods, on trials that no evaluation sees."""
