FROM python:3.11-slim
WORKDIR /src
COPY pyproject.toml setup.cfg constraints.txt ./
COPY coffeeshop coffeeshop
RUN pip install --no-cache-dir --disable-pip-version-check --constraint constraints.txt . \
    && useradd --create-home --uid 1000 coffeeshop
USER coffeeshop
WORKDIR /home/coffeeshop
ENTRYPOINT ["coffeeshop"]
CMD ["--help"]
