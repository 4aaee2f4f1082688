# One image for the API, the workers and the migration: the command says which.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS builder
# PyTorch's CPU build. For CUDA: --build-arg TORCH_INDEX_URL=https://download.pytorch.org/whl/cu130 and a TORCH_SHA256.
# Not asked where PIP_FIND_LINKS, in the base image or given here, names a folder that holds PyTorch's wheel.
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu
# The wheel torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl. Another platform's or another build's wheel has
# another. "unchecked" takes what the index gives, with the packages that it asks for: CUDA's cannot be in our list.
ARG TORCH_SHA256=6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PIP_ONLY_BINARY=:all:
# The base image's pip fills it, so that it holds none itself.
RUN python -m venv --without-pip /opt/venv
WORKDIR /opt/dropnorm
COPY requirements.hashes requirements.lock ./
RUN pip --python /opt/venv/bin/python install --quiet --require-hashes --no-deps --requirement requirements.hashes
RUN version=$(sed -n 's/^torch==//p' requirements.lock) \
 && wheel=$(for folder in ${PIP_FIND_LINKS:-}; do ls "$folder"/torch-"$version"*.whl 2>/dev/null || true; done) \
 && if [ "$TORCH_SHA256" = unchecked ]; then \
      echo "NOT CHECKED: PyTorch and the packages that it brings are taken from $TORCH_INDEX_URL without their hashes" >&2; \
      pip --python /opt/venv/bin/python install --quiet --constraint requirements.lock \
        --extra-index-url "$TORCH_INDEX_URL" "torch==$version"; \
    else \
      echo "torch==$version --hash=sha256:$TORCH_SHA256" >/opt/torch.hashes; \
      pip --python /opt/venv/bin/python install --quiet --require-hashes --no-deps --requirement /opt/torch.hashes \
        $([ -n "$wheel" ] || echo "--index-url $TORCH_INDEX_URL"); \
    fi
# The packages alone, so that a change of the code leaves everything up to here as it is; the code comes last. What
# builds the project is then of no more use (PyTorch asks for it to compile with, which it never does here). Nor are headers, libraries' own tests, second copies of a library,
# Arrow's network clients, and of PyTorch's programs all but the one that it looks for when it is imported.
COPY pyproject.toml ./
RUN mkdir app && touch app/__init__.py README.md \
 && pip --python /opt/venv/bin/python install --quiet --no-deps --no-build-isolation --editable . \
 && pip --python /opt/venv/bin/python check \
 && pip --python /opt/venv/bin/python uninstall --quiet --yes setuptools \
 && cd /opt/venv/lib/python3*/site-packages \
 && rm -rf torch/include torch/share torch/test torch/lib/*_test.so pyarrow/include pyarrow/src pyarrow/tests \
      pyarrow/*flight*.so* pyarrow/*s3*.so* pyarrow/libarrow_python*.so pyarrow/libarrow_python*.so.*.*.* \
      pyarrow/*.pyx pyarrow/*.pxi pyarrow/*.pxd onnx/backend/test onnxruntime/transformers onnxruntime/tools \
      onnxruntime/quantization \
 && find torch/bin -type f ! -name torch_shm_manager -delete \
 && find sympy networkx mpmath -type d -name tests -prune -exec rm -rf {} +

# The base without what installs and compiles packages. Its files are taken over below as one layer, so that what is
# removed here lies in none.
FROM ${BASE} AS base
RUN rm -rf ${PIP_FIND_LINKS:-} /etc/pip.conf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/* \
      /usr/local/lib/python3*/ensurepip /usr/local/lib/python3*/test /usr/local/include /usr/bin/pip* \
      /usr/lib/python3/dist-packages/* /usr/lib/python3*/ensurepip /usr/share/python-wheels /var/lib/apt/lists/* \
      /var/cache/apt /usr/share/doc /usr/share/man /usr/share/locale /root/.cache \
 && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
 && groupadd --system --gid 10001 dropnorm \
 && useradd --system --uid 10001 --gid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin dropnorm \
 && install -d -o dropnorm -g dropnorm -m 700 /data

FROM scratch
COPY --from=base / /
COPY --from=builder /opt/venv /opt/venv
COPY --from=builder /opt/dropnorm /opt/dropnorm
WORKDIR /opt/dropnorm
ENV PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OMP_NUM_THREADS=1 \
    DROPNORM_DATA_DIR=/data
VOLUME /data
EXPOSE 8000 8080
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=6 \
  CMD ["python", "-c", "import http.client, os; c = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('DROPNORM_PORT') or (8080 if os.environ.get('DROPNORM_SAGEMAKER') == 'on' else 8000)), timeout=2); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["dropnorm"]
CMD ["serve"]
COPY migrations migrations
COPY app app
# The user cannot write here, and a process that compiles at every start is slow to start.
RUN python -m compileall -q app
USER dropnorm
