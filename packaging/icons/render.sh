#!/usr/bin/env bash
# Draws the PNG files from the product's icon: packaging/icons/render.sh (needs rsvg-convert, in Debian's librsvg2-bin)
set -euo pipefail
cd "$(dirname "$0")"
for size in 16 32 64 128 256 512; do
  rsvg-convert --width "$size" --height "$size" ../../src/mcp/icon.svg --output "icon-$size.png"
done
