# SPDX-License-Identifier: Apache-2.0
# harken in a container: the server, its workers and the command line, as a user without rights. See docs/deploy.md.
#
#   docker build -t harken .
#   docker build -t harken --build-arg MODELS="base silero-vad segmentation-3.0 campplus" .   # with models in it
ARG PYTHON=3.12-slim-bookworm

FROM python:${PYTHON} AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /opt/harken
# Wheels only: nothing is compiled, so no stage needs a compiler.
COPY requirements/serve.txt requirements/serve.txt
RUN pip --python /opt/harken/bin/python install --require-hashes --only-binary :all: -r requirements/serve.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip --python /opt/harken/bin/python install --no-deps --no-build-isolation .

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="harken" \
      org.opencontainers.image.description="Speech to text on your own machine" \
      org.opencontainers.image.licenses="Apache-2.0"
# The folders belong to the user, so that new volumes which are mounted there do too.
RUN groupadd --system --gid 10001 harken \
    && useradd --system --uid 10001 --gid harken --home-dir /var/lib/harken --no-create-home --shell /usr/sbin/nologin harken \
    && install --directory --owner=harken --group=harken --mode=0750 /var/lib/harken \
    && install --directory --owner=harken --group=harken --mode=0755 /var/lib/harken-models
COPY --from=build /opt/harken /opt/harken
# A container's own loopback is of no use to anybody, so it binds every address, and therefore asks for keys.
ENV PATH=/opt/harken/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HARKEN_HOST=0.0.0.0 \
    HARKEN_PORT=8000 \
    HARKEN_DATA_DIR=/var/lib/harken \
    HARKEN_MODELS_DIR=/var/lib/harken-models
USER 10001:10001
WORKDIR /var/lib/harken
# A library that is missing from the base image is found out here, not at the first recording.
RUN python -c "import av, ctranslate2, obstore, onnxruntime, psycopg, tokenizers" && harken --version
# Names of models to have in the image, instead of a volume at HARKEN_MODELS_DIR.
ARG MODELS=""
# hadolint ignore=SC2086
RUN if [ -n "$MODELS" ]; then harken models fetch $MODELS; fi
# Not the models: a volume would go on with those of the image that it was first used with.
VOLUME ["/var/lib/harken"]
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as web; web.urlopen('http://127.0.0.1:' + os.environ['HARKEN_PORT'] + '/healthz', timeout=4)"]
ENTRYPOINT ["harken"]
CMD ["serve"]
