"""What a request costs on much data: beside an earlier checkout, in one run."""
