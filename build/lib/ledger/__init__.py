"""The law: requests, deadlines, the append-only log, signatures and sealed evidence."""
