# The image of every Airflow component: locked dependencies, this project's code, no secret.
#
#   docker build -t palmares-airflow:0.1.0 .
#
# 3.11 is the version that the tests run on.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /opt/palmares

# The locks alone first: a change of code leaves this layer in the cache.
COPY requirements.txt requirements-dev.txt ./
RUN pip install --require-hashes --no-deps -r requirements.txt

# setuptools, at its pin in the development lock, is needed only to register the provider's entry point
# (it gives ClearML connections their form).
COPY pyproject.toml README.md ./
COPY include ./include
COPY plugins ./plugins
COPY packages ./packages
RUN sed -n '/^setuptools==/,/^ *# via/p' requirements-dev.txt > /tmp/setuptools.txt \
    && pip install --require-hashes --no-deps -r /tmp/setuptools.txt \
    && pip install --no-deps --no-build-isolation --editable . --editable ./packages/french_answers \
    && pip uninstall --yes setuptools
COPY dags ./dags
COPY docker/entrypoint.py docker/init.sh ./docker/
RUN python -m compileall -q dags include plugins packages && pip check

FROM ${PYTHON_IMAGE} AS airflow
LABEL org.opencontainers.image.title="Palmarès: Airflow" org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --uid 10001 --gid 0 --create-home --home-dir /home/palmares palmares \
    && install --directory --owner=palmares --group=0 --mode=0770 \
       /opt/airflow /opt/airflow/logs /var/lib/palmares /var/lib/palmares/storage
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/palmares /opt/palmares
ENV AIRFLOW_HOME=/opt/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/palmares/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/palmares/plugins \
    PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/opt/palmares/include \
    PYTHONUNBUFFERED=1
WORKDIR /opt/palmares
USER 10001:0
EXPOSE 8080
ENTRYPOINT ["python", "/opt/palmares/docker/entrypoint.py"]
CMD ["airflow", "version"]
