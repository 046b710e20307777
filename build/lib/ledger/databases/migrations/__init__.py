"""What Alembic runs: `env.py`, and one file a revision in `versions/`."""
