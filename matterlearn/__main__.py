"""`python -m matterlearn` is the command line."""

from matterlearn.cli import main

if __name__ == "__main__":
    main()
