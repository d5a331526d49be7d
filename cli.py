"""Run the command line from a checkout: python cli.py stylize in.mp4 out.mp4."""

from scenivid.cli import main

if __name__ == "__main__":
    main()
