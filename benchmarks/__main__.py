"""Run benchmarks by name, or all of them."""

import importlib
import pkgutil
import sys

import benchmarks


def names() -> list[str]:
    """Every module of this package that has a `main`."""
    found = [module.name for module in pkgutil.iter_modules(benchmarks.__path__)]
    return [name for name in found if hasattr(_load(name), "main")]


def _load(name: str) -> object:
    if name == "__main__":
        return object()
    return importlib.import_module(f"benchmarks.{name}")


def main() -> int:
    known = names()
    wanted = sys.argv[1:] or known
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    for name in wanted:
        print(f"\n## {name}\n")
        _load(name).main()  # type: ignore[attr-defined]  # names() kept those that have one
    return 0


if __name__ == "__main__":
    sys.exit(main())
