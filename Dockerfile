# One image for every role of Celeriac, and a small one for the operator alone:
#   docker build --tag celeriac .
#   docker build --tag celeriac-operator --target operator .
# Packages come from hashed locks, which `make lock` writes. Nothing runs as root.
ARG BASE_IMAGE=python:3.13-slim-trixie

# What only building needs, and the empty environment that packages go to.
FROM ${BASE_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    UV_NO_CACHE=1 \
    UV_PYTHON_DOWNLOADS=never \
    VIRTUAL_ENV=/opt/celeriac
WORKDIR /build
COPY requirements/build.lock requirements/
RUN python -m venv tools \
 && tools/bin/pip install --no-cache-dir --require-hashes --requirement requirements/build.lock \
 && python -m venv --without-pip "$VIRTUAL_ENV"
ENV PATH=/build/tools/bin:$PATH

FROM build AS operator-packages
COPY requirements/operator.lock requirements/
RUN uv pip install --compile-bytecode --require-hashes --requirement requirements/operator.lock

FROM build AS platform-packages
COPY requirements/image.lock requirements/
RUN uv pip install --compile-bytecode --require-hashes --requirement requirements/image.lock

# Our own package, in a folder whose path does not depend on the version of Python.
FROM build AS package
COPY pyproject.toml README.md LICENSE ./
COPY app app
RUN uv build --wheel --no-build-isolation --python tools/bin/python --out-dir dist \
 && uv pip install --compile-bytecode --no-deps --target /opt/package dist/*.whl

# What every role runs on.
FROM ${BASE_IMAGE} AS runtime
# Debian packages to add, such as ffmpeg (without it, the one of a Python package is used).
ARG APT_PACKAGES=""
RUN if [ -n "$APT_PACKAGES" ]; then \
      apt-get update \
      && apt-get install --yes --no-install-recommends $APT_PACKAGES \
      && rm -rf /var/lib/apt/lists/*; \
    fi \
 && mkdir -p /var/lib/celeriac/temp /var/lib/celeriac/storage /var/lib/celeriac/cache \
 && chown -R 10001:10001 /var/lib/celeriac
ENV PATH=/opt/package/bin:/opt/celeriac/bin:$PATH \
    PYTHONPATH=/opt/package \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    TEMP_DIR=/var/lib/celeriac/temp \
    STORAGE_DIR=/var/lib/celeriac/storage \
    CACHE_DIR=/var/lib/celeriac/cache
WORKDIR /opt/package
USER 10001:10001
CMD ["celeriac", "--help"]

FROM runtime AS operator
COPY --from=operator-packages /opt/celeriac /opt/celeriac
COPY --from=package /opt/package /opt/package

# For `skaffold dev`: changed files are copied into it, so its user may write them.
FROM runtime AS development
COPY --from=platform-packages /opt/celeriac /opt/celeriac
COPY --from=package --chown=10001:10001 /opt/package /opt/package

FROM runtime AS platform
COPY --from=platform-packages /opt/celeriac /opt/celeriac
COPY --from=package /opt/package /opt/package
