"""`python -m benchmarks.gpu`."""

from benchmarks.gpu.study import main

if __name__ == "__main__":
    main()
