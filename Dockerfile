FROM python:3.12-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# For the optional extension in C. Without a compiler the package works too, only slower.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/* \
    && python -m venv --without-pip /opt/coffeeshop
WORKDIR /src
COPY pyproject.toml setup.cfg constraints.txt ./
# The dependencies alone, with an empty package in the project's place: this layer is built again
# only when they change.
RUN mkdir coffeeshop && echo '__version__ = "0"' >coffeeshop/__init__.py \
    && pip --python /opt/coffeeshop install --constraint constraints.txt '.[tracing,gateway]'
COPY LICENSE README.md setup.py ./
COPY coffeeshop coffeeshop
RUN rm -rf build ./*.egg-info \
    && pip --python /opt/coffeeshop install --constraint constraints.txt \
        --no-deps --force-reinstall .

FROM python:3.12-slim
LABEL org.opencontainers.image.title="coffeeshop" \
    org.opencontainers.image.description="Exact answers to four questions about a chain's sales" \
    org.opencontainers.image.licenses="MIT"
ENV PATH=/opt/coffeeshop/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY --from=build /opt/coffeeshop /opt/coffeeshop
WORKDIR /srv/coffeeshop
USER 10001:10001
STOPSIGNAL SIGTERM
# What is healthy depends on the command: compose.yaml says it per service.
HEALTHCHECK NONE
ENTRYPOINT ["coffeeshop"]
CMD ["--help"]
