# memseal in a container: built on Debian 12 by scripts/deps, which also sets up a checkout, and run on Debian 12 slim
# as an ordinary user who owns only the directories of the keyring and of the passwords.
#
#   docker build -t memseal .
#   docker run --rm memseal --help
#   docker build --target cuda -t memseal:cuda .       also computes on NVIDIA GPUs: start with --gpus all
#
# The container runs with a read-only root file system and without capabilities. docker-compose.yml shows a whole stack.

FROM debian:12 AS deps
WORKDIR /src
# The dependencies have a layer of their own, because they change rarely.
COPY scripts/deps scripts/
RUN scripts/deps --build --model && rm -rf /var/lib/apt/lists/*

FROM deps AS builder
COPY . .
RUN cmake --preset release -DMEMSEAL_TESTS=OFF \
 && cmake --build --preset release --target memseal \
 && strip build/release/memseal build/release/memseal-extract

FROM debian:12-slim AS service
LABEL org.opencontainers.image.title="memseal" \
      org.opencontainers.image.description="The memory and knowledge service behind an AI assistant" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
      libdnnl2 libexpat1 libfmt9 libgomp1 libicu72 liblz4-1 libpq5 libprometheus-cpp-core1.0 libspdlog1.10 libssl3 \
      libstemmer0d libyaml-cpp0.7 \
      libzstd1 zlib1g \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --user-group --no-create-home --home-dir /nonexistent memseal \
 && install -d -m 700 -o memseal -g memseal /keys /secrets/app /secrets/owner \
 && install -d -m 755 -o memseal -g memseal /secrets/postgres /secrets/redis /secrets/kafka /secrets/producer
COPY --from=builder /src/build/release/memseal /src/build/release/memseal-extract /usr/bin/
COPY --from=builder /src/.deps/pdfium/libpdfium.so /usr/lib/memseal/
COPY --from=builder /src/.deps/pdfium/licenses /usr/share/doc/memseal/pdfium
COPY --from=builder /src/config/migrations /usr/share/memseal/migrations
COPY --from=builder /src/.deps/models /usr/share/memseal/models
COPY --from=builder /src/LICENSE /src/NOTICE /usr/share/doc/memseal/
# A missing library fails the build here, not the first start.
RUN memseal --help >/dev/null && ! ldd /usr/bin/memseal-extract /usr/lib/memseal/libpdfium.so | grep "not found"
USER memseal
ENV MEMSEAL__HTTP__LISTEN=0.0.0.0:7400 \
    MEMSEAL__HTTP__ADMIN_LISTEN=0.0.0.0:7401 \
    MEMSEAL__SEAL__KEYRING_FILE=/keys/keyring
EXPOSE 7400 7401
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 \
  CMD ["memseal", "health", "--url", "http://127.0.0.1:7400/ready"]
ENTRYPOINT ["memseal"]
CMD ["serve"]

FROM deps AS builder-cuda
RUN scripts/deps --cuda && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cmake --preset cuda -DMEMSEAL_TESTS=OFF \
 && cmake --build --preset cuda --target memseal \
 && strip build/cuda/memseal

# memseal with GPUs. The driver comes from the host (NVIDIA Container Toolkit). Without a driver the CPU computes.
FROM service AS cuda
USER root
COPY --from=builder-cuda /src/.deps/cuda/lib/libcublasLt.so.13 /usr/local/lib/
COPY --from=builder-cuda /src/build/cuda/memseal /usr/bin/memseal
RUN ldconfig && memseal --help >/dev/null
USER memseal
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility

# The default target of `docker build .`.
FROM service
