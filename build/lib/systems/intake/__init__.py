"""The doors by which deletion requests come in from outside; each ends in the one inbox."""
