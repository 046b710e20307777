"""The forms in which users have data: Parquet, folders of pictures."""
