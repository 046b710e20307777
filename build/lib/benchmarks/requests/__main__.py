"""`python -m benchmarks.requests`."""

from benchmarks.requests.study import main

if __name__ == "__main__":
    main()
