"""`python -m flows.cli`: the command line, where the command itself is not installed."""

from flows.cli import main

if __name__ == "__main__":
    main()
