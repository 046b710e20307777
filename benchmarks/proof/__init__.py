"""The long forms of what the tests try by samples: `make proof`."""
