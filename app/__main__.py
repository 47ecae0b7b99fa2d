"""`python -m app` is `celeriac`."""

from app.cli import main

if __name__ == "__main__":
    main()
