"""Write the chart's generated files, or with `--check` fail where one is stale."""

import sys

from tools.chart import outputs


def main(arguments: list[str]) -> int:
    is_check = arguments == ["--check"]
    paths = outputs.stale() if is_check else outputs.write()
    for path in paths:
        verb = "stale" if is_check else "wrote"
        sys.stdout.write(f"{verb} {path.relative_to(outputs.ROOT)}\n")
    if is_check and paths:
        sys.stdout.write("run: make generate\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
