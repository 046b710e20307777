"""python -m benchmarks.asked."""

from benchmarks.asked.study import main

if __name__ == "__main__":
    main()
