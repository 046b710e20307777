"""U-LiRA of unlearning methods."""
