# Both images can be replaced, for a mirror or a distroless base. The runtime image needs a glibc at least as
# new as the build image's, and libgcc; it needs no shell and no package manager.
ARG BUILD_IMAGE=rust:1.95-bookworm
ARG RUNTIME_IMAGE=debian:bookworm-slim

FROM ${BUILD_IMAGE} AS build
WORKDIR /build
COPY . .
RUN cargo build --locked --release

FROM ${RUNTIME_IMAGE}
LABEL org.opencontainers.image.title="tjansteguiden-gateway" \
      org.opencontainers.image.description="Bidirectional REST/JSON gateway for the order API of Tjänsteguiden" \
      org.opencontainers.image.licenses="MIT"

# The HTTP client refuses to start without root certificates, and slim images have none.
# The bundle is one regular file; the other entries of that folder are links that would dangle.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /build/target/release/tjansteguiden-gateway /usr/local/bin/tjansteguiden-gateway

# The defaults listen on loopback only, which nobody outside a container can reach. Variables win over a configuration
# file, so other addresses are given here too.
ENV GATEWAY__SERVER__LISTEN=0.0.0.0:8080 \
    GATEWAY__SERVER__OPS_LISTEN=0.0.0.0:8081

# Numeric, so that Kubernetes can tell that it is not root.
USER 65532:65532
EXPOSE 8080 8081
ENTRYPOINT ["/usr/local/bin/tjansteguiden-gateway"]
CMD ["serve"]
