"""`python -m publisher.cli`."""

from publisher.cli import main

if __name__ == "__main__":
    main()
