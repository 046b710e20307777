"""The steps of a run, each written in our own journal; flows/ chains them as Prefect tasks."""
