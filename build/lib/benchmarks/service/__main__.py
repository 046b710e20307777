"""`python -m benchmarks.service`."""

from benchmarks.service.study import main

if __name__ == "__main__":
    main()
