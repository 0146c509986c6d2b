# One static binary in an image with nothing else: docker build -t pdfco .
#
#   docker run -i --rm -e PDFCO_API_KEY -v pdfco:/data -v "$PWD:/files" pdfco     an assistant over stdio
#   docker run --rm -p 8911:8911 -e PDFCO_HTTP=0.0.0.0:8911 -e PDFCO_HTTP_TOKEN -v pdfco:/data pdfco
#
# The volume keeps the ledger when the container is gone. On Linux a folder of yours takes results from you alone: add
# --user "$(id -u):$(id -g)".
FROM rust:1.95.0-alpine3.23@sha256:606fd313a0f49743ee2a7bd49a0914bab7deedb12791f3a846a34a4711db7ed2 AS build
# Versions are those of the base image's release.
# hadolint ignore=DL3018
RUN apk add --no-cache gcc musl-dev
WORKDIR /src
# The notices (packaging/build.sh notices) are there for a release; the pattern is for builds without.
COPY Cargo.toml Cargo.lock LICENSE-MIT LICENSE-APACHE README.md THIRD-PARTY-NOTICES.tx[t] ./
COPY src ./src
COPY fixtures/documents/report.pdf ./fixtures/documents/report.pdf
RUN cargo build --profile dist --locked --bin pdfco \
    && install -D -m 0755 target/dist/pdfco /image/pdfco \
    && install -D -m 0644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt \
    && install -d /image/licenses \
    && find . -maxdepth 1 \( -name 'LICENSE-*' -o -name 'THIRD-PARTY-*' \) -exec install -m 0644 -t /image/licenses {} + \
    && install -d -m 1777 /image/tmp \
    # For the user of this image and for whoever --user names; a new volume takes this over.
    && install -d -o 65532 -g 65532 -m 1777 /image/data /image/files

FROM scratch
LABEL io.modelcontextprotocol.server.name="io.github.pdfco-mcp/pdfco" \
      org.opencontainers.image.title="pdfco" \
      org.opencontainers.image.description="PDF.co document jobs for AI assistants (MCP) and for the command line" \
      org.opencontainers.image.source="https://github.com/pdfco-mcp/pdfco" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /image/ /
# The ledger lives in /data, documents and results in /files.
ENV HOME=/data \
    PDFCO_LEDGER=/data/ledger.sqlite \
    PDFCO_FILES=/files \
    PDFCO_DOWNLOAD_DIR=/files
USER 65532:65532
WORKDIR /files
VOLUME ["/data"]
EXPOSE 8911
# Over stdio the assistant sees at once when the server is gone. Over HTTP, /healthz and /readyz are asked from outside:
# there is no shell and no curl in here to ask with.
HEALTHCHECK NONE
ENTRYPOINT ["/pdfco"]
CMD ["serve"]
