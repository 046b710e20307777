"""`python -m benchmarks.style`."""

from benchmarks.style.study import main

if __name__ == "__main__":
    main()
