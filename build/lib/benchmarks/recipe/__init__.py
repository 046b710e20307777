"""What a network and its training cost, and how much they learn by heart."""
