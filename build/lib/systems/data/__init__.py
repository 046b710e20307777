"""The data version: Parquet shards that DVC tracks, and every place where copies of them lie."""
