# syntax=docker/dockerfile:1
# One image for the API, the workers and the migration: the command says which.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS builder
# PyTorch's CPU build. For CUDA: --build-arg TORCH_INDEX_URL=https://download.pytorch.org/whl/cu130
# Not asked where PIP_FIND_LINKS, in the base image or given here, names a folder that holds PyTorch's wheel.
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu
WORKDIR /opt/dropnorm
RUN python -m venv /opt/venv
COPY pyproject.toml requirements.lock README.md ./
# Only the packages here, so that a change of the code leaves this layer as it is. Headers and libraries' own tests
# stay out; of PyTorch's programs it needs the one that it looks for when it is imported.
RUN mkdir app && touch app/__init__.py \
 && for folder in ${PIP_FIND_LINKS:-}; do ls "$folder"/torch-[0-9]*.whl 2>/dev/null || true; done >/tmp/wheels \
 && if [ ! -s /tmp/wheels ]; then index="--extra-index-url ${TORCH_INDEX_URL}"; fi \
 && /opt/venv/bin/pip install --quiet --no-cache-dir ${index:-} --constraint requirements.lock --editable . \
 && cd /opt/venv/lib/python3*/site-packages \
 && rm -rf torch/include torch/share torch/test pyarrow/include pyarrow/tests \
 && find torch/bin -type f ! -name torch_shm_manager -delete

FROM ${BASE}
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin dropnorm \
 && install -d -o dropnorm -g dropnorm /data
WORKDIR /opt/dropnorm
COPY --from=builder /opt/venv /opt/venv
COPY --from=builder /opt/dropnorm /opt/dropnorm
COPY app app
COPY migrations migrations
# The user cannot write here, and a process that compiles at every start is slow to start.
RUN /opt/venv/bin/python -m compileall -q app
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OMP_NUM_THREADS=1 \
    DROPNORM_DATA_DIR=/data
USER dropnorm
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=6 \
  CMD ["python", "-c", "import http.client, os; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('DROPNORM_PORT') or 8000), timeout=2); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["dropnorm"]
CMD ["serve"]
