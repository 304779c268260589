"""Let `python -m alerter` be the same as `alerter`."""

from alerter.cli.main import main

if __name__ == "__main__":
    main()
