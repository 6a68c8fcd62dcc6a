"""`python -m mcphub`."""

from mcphub.cli import main

if __name__ == "__main__":
    main()
