"""A year of requests: what each way of answering them costs, and how long people wait."""
