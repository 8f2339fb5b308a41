"""`python -m extism` is the command `extism`."""

from extism._cli.main import main

main()
