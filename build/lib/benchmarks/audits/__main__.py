"""`python -m benchmarks.audits`."""

from benchmarks.audits.study import main

if __name__ == "__main__":
    main()
