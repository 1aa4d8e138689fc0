"""Check the gradients of every layer and loss: `python -m scratchnet.checking`."""

import sys

from scratchnet.checking.every_layer import reports


def main() -> int:
    """Report what agrees and what does not; exit status 1 if a gradient is wrong."""
    wrong = 0
    for name, report in reports():
        worst = report.worst
        verdict = "agrees" if report.ok else "WRONG "
        wrong += not report.ok
        sys.stdout.write(f"{verdict}  {worst.error:7.1e}  {name}, worst in {worst.name}\n")
    sys.stdout.write(f"{wrong} wrong; relative errors, by hand against central differences, float64\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
