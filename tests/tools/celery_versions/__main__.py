"""Make every environment and print its interpreter."""

import sys

from tests.tools import celery_versions

for version in celery_versions.VERSIONS:
    sys.stdout.write(f"{celery_versions.python(version)}\n")
