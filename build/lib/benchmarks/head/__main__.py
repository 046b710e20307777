"""`python -m benchmarks.head`."""

from benchmarks.head.study import main

if __name__ == "__main__":
    main()
