"""What AMUN's paper asks beside one request of a tenth."""
