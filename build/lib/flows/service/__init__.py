"""`lethe serve`: one machine, one workspace, everything embedded.

The supervisor (`serving`) starts and watches three parts, each a process of its own: Prefect's
server, MLflow's pages and the runner. The HTTP door is a thread of the supervisor. The runner has
all that flows import loaded in a process that it forks for each run.
"""
