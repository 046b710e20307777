"""Notices of what became of requests, signed, to those whom service.yaml names.

The log is the outbox: a notice is an entry that gives a request a state, so none is sent without
its state and none is lost. What an endpoint was told is kept, one cursor for each.
"""
