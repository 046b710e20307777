"""How the ledger, the log and the index of people bear large numbers."""
