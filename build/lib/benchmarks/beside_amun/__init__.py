"""Our adversarial search beside AMUN's public code."""
