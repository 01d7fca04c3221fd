"""`python -m s2vkit`: the command line."""

from s2vkit.cli.main import main

if __name__ == "__main__":
    main()
