# syntax=docker/dockerfile:1
# Deskwire's server without the embedded Postgres, Valkey and Envoy: it runs as replicas beside those of a cluster.
# The folder layout is that of the project, so that the program finds its files as it does there.

FROM node:22-bookworm-slim AS web
WORKDIR /srv/deskwire/clients/web
COPY clients/web/package.json clients/web/package-lock.json clients/web/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY generated/ts /srv/deskwire/generated/ts
COPY clients/web ./
RUN npm run build

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /srv/deskwire
COPY requirements.lock deploy/image/requirements.py deploy/image/left-out.txt ./
RUN python requirements.py requirements.lock left-out.txt > image.lock \
    && python requirements.py requirements.lock --only hatchling editables packaging pathspec pluggy trove-classifiers \
        > build.lock \
    && python -m venv .venv \
    && .venv/bin/pip install --quiet --no-deps --require-hashes --only-binary :all: -r image.lock -r build.lock
COPY pyproject.toml README.md ./
COPY generated/python generated/python
COPY generated/descriptor.binpb generated/descriptor.binpb
COPY clients/python clients/python
COPY deploy/envoy deploy/envoy
COPY server server
RUN .venv/bin/pip install --quiet --no-deps --no-build-isolation -e generated/python -e clients/python -e . \
    && .venv/bin/pip uninstall --quiet --yes hatchling editables pathspec pluggy trove-classifiers setuptools pip \
    && find .venv -type d -path '*/numpy/*' -name tests -prune -exec rm -r {} + \
    && .venv/bin/python -m compileall -q server generated/python clients/python/src \
    && .venv/bin/python -c "import deskwire_server.app, deskwire_server.worker, deskwire_server.stack.envoy" \
    && .venv/bin/deskwire --version \
    && rm requirements.py left-out.txt image.lock build.lock

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /var/lib/deskwire deskwire \
    && install -d -o deskwire -g deskwire /var/lib/deskwire /run/deskwire /etc/deskwire
WORKDIR /srv/deskwire
COPY --from=build /srv/deskwire /srv/deskwire
COPY --from=web /srv/deskwire/clients/web/dist /srv/deskwire/clients/web/dist
COPY deploy/image/healthcheck.py deploy/image/healthcheck.py
ENV PATH=/srv/deskwire/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DESKWIRE_DATA_DIR=/var/lib/deskwire \
    DESKWIRE_EMBEDDER_SOCKET=/run/deskwire/embedder.sock \
    DESKWIRE_WEB_DIR=/srv/deskwire/clients/web/dist \
    DESKWIRE_WORKER_GRPC_PORT=50061 \
    DESKWIRE_WORKER_HTTP_PORT=8061 \
    AI_SERVICE_HOST=0.0.0.0
USER 10001:10001
EXPOSE 50061 8061
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "deploy/image/healthcheck.py"]
ENTRYPOINT ["deskwire"]
CMD ["serve"]
