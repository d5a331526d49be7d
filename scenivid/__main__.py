"""python -m scenivid."""

from scenivid.cli import main

if __name__ == "__main__":
    main()
