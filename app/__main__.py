"""`python -m app` is `celeriac`."""

from app.cli.application import main

if __name__ == "__main__":
    main()
