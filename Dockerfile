# One static binary in an image with nothing else: docker build -t pdfco .
#
#   docker run -i --rm -e PDFCO_API_KEY -v "$PWD:/files" pdfco                    an assistant over stdio
#   docker run --rm -p 8911:8911 -e PDFCO_HTTP=0.0.0.0:8911 -e PDFCO_HTTP_TOKEN -v pdfco:/data pdfco
FROM rust:1.95-alpine AS build
# Versions are those of the base image's release.
# hadolint ignore=DL3018
RUN apk add --no-cache gcc musl-dev
WORKDIR /src
COPY Cargo.toml Cargo.lock LICENSE-MIT LICENSE-APACHE README.md ./
COPY src ./src
COPY fixtures/documents/report.pdf ./fixtures/documents/report.pdf
RUN cargo build --profile dist --locked --bin pdfco \
    && install -D -m 0755 target/dist/pdfco /image/pdfco \
    && install -D -m 0644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt \
    && install -D -m 0644 -t /image/licenses LICENSE-MIT LICENSE-APACHE \
    && install -d -m 1777 /image/tmp \
    && install -d -o 65532 -g 65532 -m 0750 /image/data /image/files

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
