"""The ledger and the inbox in a database: PostgreSQL by its URL, its tables, their migrations."""
