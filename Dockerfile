# One image for all processes: the code server, the webserver, the daemon, the pods of runs.
#
#   docker build -t ci_metrics .
#
# Packages are those of requirements-server.lock, by hash; the catalogue's expressions are compiled here, so that no pod
# does it again (some 20 s of CPU). They take 15 MB.
FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /opt/ci-metrics
COPY requirements-server.lock ./
RUN /opt/ci-metrics/bin/pip install --no-cache-dir --require-hashes -r requirements-server.lock
COPY pyproject.toml README.md LICENSE dagster.yaml workspace.yaml ./
COPY ci_metrics ./ci_metrics
RUN /opt/ci-metrics/bin/pip install --no-cache-dir --no-deps --no-build-isolation .
ENV XDG_CACHE_HOME=/opt/ci-metrics/cache
RUN /opt/ci-metrics/bin/ci-metrics warm
COPY deploy/storage.yaml deploy/workspace.yaml ./deploy/
# Dagster's settings are the checkout's, with PostgreSQL for storage. Dagster's Helm chart mounts its own in their place,
# and starts `dagster-webserver`: here that is Dagster's with our pages in it.
RUN mkdir -p /opt/dagster/dagster_home && cat dagster.yaml deploy/storage.yaml > /opt/dagster/dagster.yaml \
    && cp deploy/workspace.yaml /opt/dagster/workspace.yaml \
    && printf '%s\n' '#!/opt/ci-metrics/bin/python' 'from ci_metrics.commands.webserver import main' 'main()' \
    > /opt/ci-metrics/bin/dagster-webserver

FROM python:3.11-slim
RUN useradd --uid 10001 --user-group --create-home ci-metrics \
    && install -d -o ci-metrics -g ci-metrics -m 0700 /var/lib/ci-metrics
COPY --from=build /opt/ci-metrics /opt/ci-metrics
COPY --from=build --chown=ci-metrics:ci-metrics /opt/dagster /opt/dagster
ENV PATH=/opt/ci-metrics/bin:$PATH \
    XDG_CACHE_HOME=/opt/ci-metrics/cache \
    DAGSTER_HOME=/opt/dagster \
    CI_METRICS_HOME=/var/lib/ci-metrics \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /var/lib/ci-metrics
VOLUME /var/lib/ci-metrics
CMD ["dagster", "api", "grpc", "--module-name", "ci_metrics.definitions", "--host", "0.0.0.0", "--port", "4000"]
