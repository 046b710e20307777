"""What comes into the data version after `init`."""
