"""Pages and pictures for people, and the words that they may use."""
