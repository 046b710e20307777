"""What steps work on: the opened workspace, the run with its journal, the data in memory."""
