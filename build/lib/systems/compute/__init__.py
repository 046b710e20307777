"""The work that needs a GPU or a patient processor: training, unlearning, searching settings."""
