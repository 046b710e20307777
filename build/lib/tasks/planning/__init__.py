"""What is told before anything is trained: costs, chances, what waiting would give."""
