"""What judging one candidate costs."""
